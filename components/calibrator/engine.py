"""Fits the calibration, and writes the joint model and its predictions.

The predictions of the joint model follow from those of its parts: no forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from textmill.components.artifacts import Predictions, TrainedModel, write_json
from textmill.components.prediction_files import (
    aligned_groups,
    text_columns,
    write_rows,
)
from textmill.models.calibrated.fit import Calibration, Comparison, HeldOut
from textmill.models.calibrated.kinds import (
    JOINED_OUTPUT,
    JointCalibration,
    compare_parts,
    fit_parts,
)
from textmill.models.calibrated.model import (
    ENCODER,
    FAMILY,
    LINEAR,
    join_tensors,
    part_facts,
)
from textmill.models.targets import TARGETS
from textmill.models.tasks import TASKS
from textmill.models.weights import save_tensors

_PREFIXES = {"encoder": ENCODER, "linear": LINEAR}


class Part(NamedTuple):
    """A trained model and its predictions."""

    model: TrainedModel
    predictions: Predictions

    @classmethod
    def of(
        cls, model: TrainedModel | None, predictions: Predictions | None
    ) -> Part | None:
        """Returns a part, or None without a model.

        Raises:
            IntegrityError: the predictions are of another model.
        """
        if model is None:
            return None
        assert predictions is not None, "a model comes with its predictions"
        predictions.check_model(model)
        return cls(model, predictions)


def join_parts(
    parts: Mapping[str, Part],
    *,
    model: TrainedModel,
    predictions: Predictions,
    risk: float,
) -> None:
    """Writes the joint model of parts, and its predictions.

    Args:
        parts: ``encoder``, ``linear``, or both.
        model: the joint model to write.
        predictions: its predictions to write.
        risk: highest share of errors among confident answers.

    Raises:
        IntegrityError: the predictions of the parts are of different rows.
    """
    kind = _kind(parts)
    targets, outputs = _read_held_out(parts, JOINED_OUTPUT[kind])
    groups = _read_groups(next(iter(parts.values())).predictions)
    held_out = HeldOut(parts=outputs, targets=targets, groups=groups)
    comparison = None
    if len(parts) == 2 and len(targets) > 1:
        comparison = compare_parts(kind, held_out)
        if not comparison.joint_is_better:
            parts = {"linear": parts["linear"]}
    held_out = held_out.only(*parts)
    calibration = fit_parts(kind, held_out, risk=risk)
    _write_model(parts, model, calibration, comparison, rows=len(targets))
    _write_predictions(parts, predictions, calibration, held_out)


def _kind(parts: Mapping[str, Part]) -> str:
    """Returns the kind of target of the parts."""
    return TASKS[next(iter(parts.values())).model.facts["task"]].target


def _read_held_out(
    parts: Mapping[str, Part], output: str
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Returns targets ``[rows, ...]``, and an output ``[rows, ...]`` by part."""
    targets: list[np.ndarray] = []
    outputs: dict[str, list[np.ndarray]] = {name: [] for name in parts}
    for groups in _aligned(parts, _held_out_split(parts)):
        targets.append(next(iter(groups.values()))["target"])
        for name, group in groups.items():
            outputs[name].append(group[output])
    if not targets:
        return _no_rows(parts)
    return np.concatenate(targets), {
        name: np.concatenate(groups) for name, groups in outputs.items()
    }


def _no_rows(parts: Mapping[str, Part]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Returns the targets and outputs of a split without rows."""
    kind = _kind(parts)
    num_labels = len(next(iter(parts.values())).model.facts["labels"])
    column = np.zeros((0, num_labels) if kind == "labels" else 0)
    shape = 0 if kind == "number" else (0, num_labels)
    outputs = {name: np.zeros(shape, np.float32) for name in parts}
    return TARGETS[kind].unpack(column), outputs


def _read_groups(predictions: Predictions) -> np.ndarray | None:
    """Returns the number of each held-out row's group ``[rows]``; None without groups.

    Groups are numbered in the order of their rows, which is that of a hash.
    """
    if (column := predictions.facts.get("group")) is None:
        return None
    numbers: dict[str, int] = {}
    rows = [
        numbers.setdefault(name, len(numbers))
        for batch in predictions.read_groups(predictions.held_out_split)
        for name in batch[column]
    ]
    return np.array(rows, np.int64)


def _held_out_split(parts: Mapping[str, Part]) -> str:
    return next(iter(parts.values())).predictions.held_out_split


def _aligned(
    parts: Mapping[str, Part], split: str | None
) -> Iterator[dict[str, dict[str, Any]]]:
    """Yields the row groups of the parts' predictions, of the same rows."""
    for groups in aligned_groups([p.predictions for p in parts.values()], split):
        yield dict(zip(parts, groups, strict=True))


def _write_model(
    parts: Mapping[str, Part],
    model: TrainedModel,
    calibration: JointCalibration,
    comparison: Comparison | None,
    *,
    rows: int,
) -> None:
    weights = {
        _PREFIXES[name]: part.model.path / part.model.WEIGHTS
        for name, part in parts.items()
    }
    tensors = save_tensors(join_tensors(weights), model.file(model.WEIGHTS))
    first = next(iter(parts.values())).model
    tokenizer = first.files(f"{first.TOKENIZER}/")
    model.copy_tokenizer(first.path / first.TOKENIZER, tokenizer)
    facts: dict[str, Any] = {
        "task": first.facts["task"],
        "model": {"family": FAMILY},
        "labels": first.facts["labels"],
        "vocabulary": first.facts["vocabulary"],
        "texts": first.facts.get("texts", 1),
        "parameters": sum(part.model.facts["parameters"] for part in parts.values()),
        **{
            name: part_facts(parts[name].model.facts) if name in parts else None
            for name in _PREFIXES
        },
        "calibration": calibration.facts,
    }
    model.identity = {"tensors": tensors, **facts}
    model.facts = {
        **facts,
        "held_out": rows,
        "comparison": comparison.facts if comparison else None,
    }
    write_json(model.file("model.json"), model.facts)


def _write_predictions(
    parts: Mapping[str, Part],
    predictions: Predictions,
    calibration: JointCalibration,
    held_out: HeldOut,
) -> None:
    first = next(iter(parts.values())).predictions
    outputs = {}
    if "folds" in first.facts:
        assert isinstance(calibration, Calibration), "folds are of labels"
        outputs[first.held_out_split] = _of_folds(
            first, calibration, held_out.cross_fitted()
        )
    if first.facts["split"] not in outputs:
        outputs[first.facts["split"]] = _joined(parts, calibration)
    for split, values in outputs.items():
        columns = text_columns(first, split)
        write_rows(predictions, split, outputs=values, columns=columns)
    predictions.facts = {k: v for k, v in first.facts.items() if k != "model"}


def _of_folds(
    first: Predictions, calibration: Calibration, probabilities: np.ndarray
) -> Iterator[dict[str, np.ndarray]]:
    """Yields calibrated answers to the rows of folds, with the fold of each.

    Args:
        first: the predictions of a part.
        calibration: the threshold of confidence.
        probabilities: by weights that were fitted to other rows, ``[rows, labels]``.
    """
    start = 0
    for group in first.read_groups(first.held_out_split):
        rows = slice(start, start + len(group["fold"]))
        start = rows.stop
        yield {
            "target": group["target"],
            "probabilities": probabilities[rows],
            "confident": calibration.is_confident(probabilities[rows]),
            "fold": group["fold"],
        }


def _joined(
    parts: Mapping[str, Part], calibration: JointCalibration
) -> Iterator[dict[str, np.ndarray]]:
    """Yields targets and joint answers of the evaluated split."""
    output = JOINED_OUTPUT[_kind(parts)]
    for groups in _aligned(parts, None):
        given = {name: group[output] for name, group in groups.items()}
        joined = calibration.outputs(given.get("encoder"), given.get("linear"))
        yield {"target": next(iter(groups.values()))["target"], **joined}
