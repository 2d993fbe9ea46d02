"""Span recall: the share of exact spans among those of the text."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import Metric, PredictedRows
from textmill.models.metrics.spans import span_counts


class SpanRecall(Metric):
    """Share of the text's spans that are predicted, with equal bounds and label."""

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        return np.ascontiguousarray(span_counts(rows)[::2])
