"""Micro F1: the F1 of all decisions together."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.accuracy import Accuracy
from textmill.models.metrics.metric import PredictedRows, PredictionFacts, SumMetric
from textmill.models.metrics.multilabel import f1_scores, label_hits


class MicroF1(Accuracy):
    """F1 over all rows of one label each; it equals accuracy."""


class LabelsMicroF1(SumMetric):
    """F1 over the labels of all rows, so that frequent labels weigh most."""

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        return label_hits(rows).sum(axis=2).astype(np.float64)

    @override
    def of_sums(self, sums: np.ndarray, facts: PredictionFacts) -> np.ndarray:
        return f1_scores(sums[..., 0], sums[..., 1], sums[..., 2])
