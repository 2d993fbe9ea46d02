"""Accuracy of next-sentence prediction."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import Metric, PredictedRows


class NextAccuracy(Metric):
    """Fraction of rows whose second sentence is recognized as following or not."""

    @override
    def applies(self, rows: PredictedRows) -> bool:
        return "next_correct" in rows

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        return np.stack([rows["next_correct"], rows["rows"]]).astype(np.float64)
