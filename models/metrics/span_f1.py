"""Span F1: exact spans found, of those predicted and those in the text."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import PredictedRows, PredictionFacts, SumMetric
from textmill.models.metrics.multilabel import f1_scores
from textmill.models.metrics.spans import span_counts


class SpanF1(SumMetric):
    """Harmonic mean of precision and recall of exact spans; 0 without any."""

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        return span_counts(rows)

    @override
    def of_sums(self, sums: np.ndarray, facts: PredictionFacts) -> np.ndarray:
        return f1_scores(sums[..., 0], sums[..., 1], sums[..., 2])
