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
    compare,
    fit_calibration,
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


def compare_labels(
    encoder: np.ndarray,
    linear: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray | None = None,
) -> Comparison:
    """Compares the joint model with the linear model on held-out documents.

    Args:
        encoder: scores ``[rows, labels]`` of documents that the encoder has not learned
            from.
        linear: those of the linear model.
        targets: 1 where a document has a label ``[rows, labels]``.
        groups: as in ``compare``.
    """
    few = _few(targets)
    comparison = compare(
        _decisions(encoder[few]),
        _decisions(linear[few]),
        targets[few].ravel().astype(np.int64),
        _owners(targets[few], groups),
    )
    return replace(comparison, rows=len(targets[few]))


def fit_labels(
    encoder: np.ndarray | None,
    linear: np.ndarray | None,
    targets: np.ndarray,
    *,
    groups: np.ndarray | None = None,
) -> LabelsCalibration:
    """Fits weights and thresholds to held-out scores of one or both parts.

    Args:
        encoder: float32 ``[rows, labels]``, or None.
        linear: float32 ``[rows, labels]``, or None.
        targets: 1 where a document has a label ``[rows, labels]``; without rows, the
            parts count alike and thresholds are 0.5.
        groups: as in ``compare``.
    """
    few = _few(targets)
    fitted = fit_calibration(
        None if encoder is None else _decisions(encoder[few]),
        None if linear is None else _decisions(linear[few]),
        targets[few].ravel().astype(np.int64),
        risk=0.0,
        groups=_owners(targets[few], groups),
    )
    joint = LabelsCalibration(
        encoder=fitted.encoder, linear=fitted.linear, thresholds=()
    )
    thresholds = tune_thresholds(joint.scores(encoder, linear), targets)
    return replace(joint, thresholds=tuple(thresholds.tolist()))


def _few(targets: np.ndarray) -> slice:
    """Returns the first documents, which are in an order of hashes."""
    return slice(max(1, _MOST_DECISIONS // max(1, targets.shape[1])))


def _decisions(scores: np.ndarray | None) -> Any:
    """Returns no and yes of every decision, float32 ``[rows * labels, 2]``."""
    if scores is None:
        return None
    flat = scores.astype(np.float32).ravel()
    return np.stack([1.0 - flat, flat], axis=1)


def _owners(targets: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Returns the group of every decision's document, int64 ``[rows * labels]``."""
    owners = np.arange(len(targets)) if groups is None else groups[: len(targets)]
    return np.repeat(owners, targets.shape[1])
