"""Mean reciprocal rank of each query's own text."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import Metric, PredictedRows


class MeanReciprocalRank(Metric):
    """Mean of 1 / rank over queries, without a cutoff (Voorhees, 1999)."""

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        return np.stack([1.0 / rows["rank"], np.ones(len(rows))])
