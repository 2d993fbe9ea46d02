"""Matthews correlation coefficient of predicted and true labels."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.confusion import ConfusionMetric


class MatthewsCorrelation(ConfusionMetric):
    """The correlation of predicted and true labels, also of more than two.

    Gorodkin (2004), "Comparing two K-category assignments by a K-category correlation
    coefficient". It is 0 for answers that do not depend on the text, however the labels
    are distributed, and where all answers or all labels are the same.
    """

    @override
    def of_confusion(self, confusion: np.ndarray) -> np.ndarray:
        confusion = confusion.astype(np.float64)
        total = confusion.sum(axis=(-1, -2))
        hits = np.trace(confusion, axis1=-2, axis2=-1)
        predicted, true = confusion.sum(axis=-2), confusion.sum(axis=-1)
        together = hits * total - (predicted * true).sum(axis=-1)
        spread = total**2 - (predicted**2).sum(axis=-1)
        spread = spread * (total**2 - (true**2).sum(axis=-1))
        correlation: np.ndarray = np.where(
            spread > 0, together / np.sqrt(np.maximum(spread, 1e-12)), 0.0
        )
        return correlation
