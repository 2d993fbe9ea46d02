"""The joint model: an encoder or an ensemble, a linear model, or both."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from safetensors.numpy import load_file

from textmill.models.calibrated.classifier import ClassifierServer
from textmill.models.calibrated.fit import Calibration
from textmill.models.calibrated.labels import LabelsCalibration
from textmill.models.calibrated.model import ENCODER, LINEAR, tensors_of
from textmill.models.calibrated.multilabel import MultilabelJointServer
from textmill.models.calibrated.number import NumberCalibration
from textmill.models.calibrated.regression import RegressionServer
from textmill.models.calibrated.server import JointServer
from textmill.models.ensemble.graph import Ensemble, rebuild_encoder
from textmill.models.linear.model import LinearModel
from textmill.models.tasks import TASKS
from textmill.models.tasks.server import Server, ServingOptions
from textmill.models.tasks.task import Task
from textmill.models.tokenizers import Tokenizer, load_tokenizer


class _Kind(NamedTuple):
    calibration: type[Any]
    server: type[JointServer]


_KINDS = {
    "label": _Kind(Calibration, ClassifierServer),
    "labels": _Kind(LabelsCalibration, MultilabelJointServer),
    "number": _Kind(NumberCalibration, RegressionServer),
}
"""By kind of target."""


class JointModel:
    """The parts of a model, and the weights of their answers."""

    def __init__(
        self,
        *,
        kind: str,
        encoder: Task | Ensemble | None,
        linear: LinearModel | None,
        calibration: Any,
        num_texts: int = 1,
    ) -> None:
        assert encoder is not None or linear is not None
        self.kind, self.encoder, self.linear = kind, encoder, linear
        self.calibration, self.num_texts = calibration, num_texts

    def serve(self, tokenizer: Tokenizer, options: ServingOptions) -> Server:
        """Returns the graph that answers texts."""
        return _KINDS[self.kind].server(
            tokenizer,
            options,
            encoder=self.encoder,
            linear=self.linear,
            calibration=self.calibration,
            num_texts=self.num_texts,
        )


def load_joint(
    weights: Path, tokenizer: Path, facts: dict[str, Any]
) -> tuple[JointModel, Tokenizer]:
    """Rebuilds a joint model and its tokenizer from files and facts."""
    loaded, tensors = load_tokenizer(tokenizer), load_file(weights)
    common = {"task": facts["task"], "labels": facts["labels"]}
    encoder = linear = None
    if facts["encoder"] is not None:
        encoder = rebuild_encoder(
            tensors_of(tensors, ENCODER),
            loaded,
            {**common, **facts["encoder"]},
            source=str(weights),
        )
    if facts["linear"] is not None:
        linear = LinearModel.of(tensors_of(tensors, LINEAR), facts["linear"]["model"])
    kind = TASKS[facts["task"]].target
    model = JointModel(
        kind=kind,
        encoder=encoder,
        linear=linear,
        calibration=_KINDS[kind].calibration(**facts["calibration"]),
        num_texts=facts.get("texts", 1),
    )
    return model, loaded
