"""Span precision: the share of exact spans among those predicted."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import Metric, PredictedRows
from textmill.models.metrics.spans import span_counts


class SpanPrecision(Metric):
    """Share of predicted spans that are in the text, with equal bounds and label."""

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        return np.ascontiguousarray(span_counts(rows)[:2])
