"""Spearman correlation: how alike answers and targets rank the rows."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.intervals import Interval
from textmill.models.metrics.metric import Metric, PredictedRows, PredictionFacts
from textmill.models.metrics.pearson import correlation
from textmill.models.metrics.resampling import Resamples, widen


class SpearmanCorrelation(Metric):
    """Pearson's coefficient of ranks; equal values share the mean of their ranks.

    Ranks do not add up, but those of a resample follow from one sort of all rows.
    """

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        return np.stack([rows["number"], rows["target"]]).astype(np.float64)

    @override
    def resampled(
        self, statistics: np.ndarray, counts: np.ndarray, facts: PredictionFacts
    ) -> np.ndarray:
        x, y = (_ranks(values, counts) for values in statistics)  # [draws, rows]
        size = counts.sum(axis=1)
        x -= (size[:, None] + 1) / 2
        y -= (size[:, None] + 1) / 2
        sums = (np.sum(counts * v, axis=1) for v in (x, y, x * x, y * y, x * y))
        return correlation(size, *sums)

    @override
    def interval(
        self, statistics: np.ndarray, facts: PredictionFacts, *, seed: int
    ) -> Interval:
        """Returns the value with its 95 % bounds over resampled rows."""
        resamples = Resamples(statistics.shape[1], None, seed)
        all_rows = np.ones((1, statistics.shape[1]))
        value = float(self.resampled(statistics, all_rows, facts)[0])
        drawn = resamples.map(lambda c: self.resampled(statistics, c, facts))
        interval = dict.fromkeys(("value", "low", "high"), value)
        return widen(interval, *resamples.bounds(drawn))


def _ranks(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Returns the mean rank of each value among those drawn, ``[draws, rows]``.

    Args:
        values: ``[rows]``.
        counts: how often a draw takes each row, ``[draws, rows]``.
    """
    _, place, sizes = np.unique(values, return_inverse=True, return_counts=True)
    starts = np.cumsum(sizes) - sizes
    order = np.argsort(place, kind="stable")
    drawn = np.add.reduceat(counts[:, order], starts, axis=1)  # [draws, distinct]
    middle = np.cumsum(drawn, axis=1) - (drawn - 1) / 2
    ranks: np.ndarray = middle[:, place]
    return ranks
