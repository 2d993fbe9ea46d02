"""Root mean squared error of numbers."""

from __future__ import annotations

import math

import numpy as np
from typing_extensions import override

from textmill.models.metrics.mae import number_errors
from textmill.models.metrics.metric import Metric, PredictedRows, PredictionFacts


class RootMeanSquaredError(Metric):
    """Root of the mean squared distance, in the unit of the target."""

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        return np.stack([np.square(number_errors(rows)), np.ones(len(rows))])

    @override
    def value(self, ratio: float, facts: PredictionFacts) -> float:
        return math.sqrt(ratio)
