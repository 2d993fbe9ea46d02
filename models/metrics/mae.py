"""Mean absolute error of numbers."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import Metric, PredictedRows


def number_errors(rows: PredictedRows) -> np.ndarray:
    """Returns answers minus targets, float64 ``[rows]``."""
    errors: np.ndarray = rows["number"].astype(np.float64) - rows["target"]
    return errors


class MeanAbsoluteError(Metric):
    """Mean distance of answer and target, in the unit of the target."""

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        return np.stack([np.abs(number_errors(rows)), np.ones(len(rows))])
