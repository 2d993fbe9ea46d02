"""Fits a calibrated multilabel classifier to held-out scores of its parts.

Every decision about a label is a choice of two, yes or no, so the weights are those of
a classifier of two labels (``fit.py``), the same ones for all labels. The labels of a
document belong together in every standard error.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from textmill.models.calibrated.fit import (
    Calibration,
    Comparison,
    HeldOut,
    compare,
    fit_weights,
)
from textmill.models.label_thresholds import tune_thresholds

_MOST_DECISIONS = 200_000
"""Decisions that weights are fitted to: two numbers need no more."""


@dataclass(frozen=True, kw_only=True)
class LabelsCalibration:
    """The fitted weights, and the threshold of each label.

    Attributes:
        encoder: weight of the encoder's log odds; 0.0 without an encoder.
        linear: weight of the linear model's; 0.0 without one.
        thresholds: lowest score of each label in an answer.
    """

    encoder: float
    linear: float
    thresholds: tuple[float, ...]

    @property
    def facts(self) -> dict[str, Any]:
        """The attributes as JSON values."""
        return asdict(self) | {"thresholds": list(self.thresholds)}

    def scores(
        self, encoder: np.ndarray | None, linear: np.ndarray | None
    ) -> np.ndarray:
        """Joins the scores of the parts, float32 ``[rows, labels]``."""
        weights = Calibration(
            encoder=self.encoder, linear=self.linear, threshold=None, risk=0.0
        )
        [shape] = {part.shape for part in (encoder, linear) if part is not None}
        joined = weights.probabilities(_decisions(encoder), _decisions(linear))
        return joined[:, 1].reshape(shape)

    def outputs(
        self, encoder: np.ndarray | None, linear: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """Returns the columns of predictions: ``scores`` and ``chosen``."""
        scores = self.scores(encoder, linear)
        chosen = scores >= np.array(self.thresholds, np.float32)
        return {"scores": scores, "chosen": chosen.astype(np.uint8)}


def compare_labels(held_out: HeldOut) -> Comparison:
    """Compares the joint model with the linear model on held-out documents.

    Args:
        held_out: scores ``[rows, labels]`` of both parts, and targets ``[rows,
            labels]``, 1 where a document has a label.
    """
    few = _few(held_out)
    return replace(compare(_as_decisions(few)), rows=len(few.targets))


def fit_labels(held_out: HeldOut) -> LabelsCalibration:
    """Fits weights and thresholds to held-out scores of one or both parts.

    Args:
        held_out: as in ``compare_labels``, or of one part; without rows, the parts
            count alike and thresholds are 0.5.
    """
    weights = fit_weights(_as_decisions(_few(held_out)))
    joint = LabelsCalibration(**weights, thresholds=())
    scores = joint.scores(held_out.encoder, held_out.linear)
    thresholds = tune_thresholds(scores, held_out.targets)
    return replace(joint, thresholds=tuple(thresholds.tolist()))


def _few(held_out: HeldOut) -> HeldOut:
    """Returns the first documents, which are in an order of hashes."""
    few = slice(max(1, _MOST_DECISIONS // max(1, held_out.targets.shape[1])))
    return HeldOut(
        parts={name: scores[few] for name, scores in held_out.parts.items()},
        targets=held_out.targets[few],
        groups=None if held_out.groups is None else held_out.groups[few],
    )


def _as_decisions(held_out: HeldOut) -> HeldOut:
    """Returns a row for every decision, in groups of one document's or more."""
    targets, groups = held_out.targets, held_out.groups
    owners = np.arange(len(targets)) if groups is None else groups
    return HeldOut(
        parts={name: _decisions(scores) for name, scores in held_out.parts.items()},
        targets=targets.ravel().astype(np.int64),
        groups=np.repeat(owners, targets.shape[1]),
    )


def _decisions(scores: np.ndarray | None) -> Any:
    """Returns no and yes of every decision, float32 ``[rows * labels, 2]``."""
    if scores is None:
        return None
    flat = scores.astype(np.float32).ravel()
    return np.stack([1.0 - flat, flat], axis=1)
