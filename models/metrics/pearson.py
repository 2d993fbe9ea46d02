"""Pearson correlation of answers and targets."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import PredictedRows, PredictionFacts, SumMetric

_SMALLEST = 1e-10
"""A smaller variance, as a share of the mean square, is a rounding error."""


class PearsonCorrelation(SumMetric):
    """Linear correlation of answers and targets; 0 where either are all equal."""

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        x, y = rows["number"].astype(np.float64), rows["target"].astype(np.float64)
        return np.stack([np.ones(len(rows)), x, y, x * x, y * y, x * y])

    @override
    def of_sums(self, sums: np.ndarray, facts: PredictionFacts) -> np.ndarray:
        return correlation(*np.moveaxis(sums, -1, 0))


def correlation(
    size: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    xx: np.ndarray,
    yy: np.ndarray,
    xy: np.ndarray,
) -> np.ndarray:
    """Returns Pearson's coefficient of sums, each ``[...]``; 0 where undefined.

    Args:
        size: number of pairs.
        x: sum of the first values.
        y: sum of the second values.
        xx: sum of squares of the first.
        yy: sum of squares of the second.
        xy: sum of products.
    """
    variances = size * xx - x * x, size * yy - y * y
    is_constant = (variances[0] <= _SMALLEST * size * xx) | (
        variances[1] <= _SMALLEST * size * yy
    )
    spread = np.sqrt(np.where(is_constant, 1.0, variances[0] * variances[1]))
    coefficient = np.where(is_constant, 0.0, (size * xy - x * y) / spread)
    return np.clip(coefficient, -1.0, 1.0)
