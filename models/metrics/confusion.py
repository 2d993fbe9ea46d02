"""The confusion matrix, and precision, recall and F1 of each label."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import CountMetric, PredictedRows, PredictionFacts


def confusion_cells(rows: PredictedRows) -> np.ndarray:
    """Returns each row's cell of the flat confusion matrix, int64 ``[rows]``."""
    size = len(rows.facts.labels)
    return rows["target"].astype(np.int64) * size + rows["probabilities"].argmax(axis=1)


def class_scores(confusion: np.ndarray) -> np.ndarray:
    """Returns precision, recall and F1 of each label; 0 where undefined.

    Args:
        confusion: counts ``[..., true, predicted]``.

    Returns:
        float64 ``[..., 3, labels]``.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    predicted, true = confusion.sum(axis=-2), confusion.sum(axis=-1)
    return np.stack(
        [
            hits / np.maximum(predicted, 1),
            hits / np.maximum(true, 1),
            2 * hits / np.maximum(predicted + true, 1),
        ],
        axis=-2,
    )


class ConfusionMetric(CountMetric):
    """Base class: a value of the confusion matrix."""

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        return confusion_cells(rows)[None, :].astype(np.float64)

    @override
    def num_cells(self, facts: PredictionFacts) -> int:
        return len(facts.labels) ** 2

    @override
    def of_counts(self, counts: np.ndarray, facts: PredictionFacts) -> np.ndarray:
        size = len(facts.labels)
        return self.of_confusion(counts.reshape(*counts.shape[:-1], size, size))

    def of_confusion(self, confusion: np.ndarray) -> np.ndarray:
        """Returns the value of counts ``[..., true, predicted]``."""
        raise NotImplementedError


class MacroMetric(ConfusionMetric):
    """Base class: the mean of a score over labels, each label counting alike.

    As in scikit-learn, a label that neither occurs nor is predicted does not count.
    """

    score: int
    """Index of the score in ``class_scores``."""

    @override
    def of_confusion(self, confusion: np.ndarray) -> np.ndarray:
        scores = class_scores(confusion)[..., self.score, :]  # [..., labels]
        occurs = confusion.sum(axis=-1) + confusion.sum(axis=-2) > 0
        num_occurring = np.maximum(occurs.sum(axis=-1), 1)
        return np.where(occurs, scores, 0.0).sum(axis=-1) / num_occurring
