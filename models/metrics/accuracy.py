"""Accuracy: the fraction of correct predictions."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.intervals import Interval, wilson
from textmill.models.metrics.metric import Metric, PredictedRows, PredictionFacts


class Accuracy(Metric):
    """Fraction of correct tokens (language models) or rows (classifiers).

    A row with any number of labels is correct if exactly these are chosen. Rows are
    independent trials, so a classifier's interval is Wilson's.
    """

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        if "correct" in rows:
            return np.stack([rows["correct"], rows["weight"]]).astype(np.float64)
        if "chosen" in rows:
            correct = np.all((rows["chosen"] > 0) == (rows["target"] > 0), axis=1)
            return np.stack([correct, np.ones(len(rows))]).astype(np.float64)
        correct = rows["probabilities"].argmax(axis=1) == rows["target"]
        return np.stack([correct, np.ones(len(rows))]).astype(np.float64)

    @override
    def interval(
        self, statistics: np.ndarray, facts: PredictionFacts, *, seed: int
    ) -> Interval:
        if facts.labels:
            return wilson(float(statistics[0].sum()), statistics.shape[1])
        return super().interval(statistics, facts, seed=seed)
