"""Label ranking average precision: how high the true labels rank."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata
from typing_extensions import override

from textmill.models.metrics.metric import Metric, PredictedRows


class LabelRankingAveragePrecision(Metric):
    """Mean over rows and their labels of: the share of true labels among those that
    score at least as high.

    It needs no threshold (Schapire and Singer, 2000). A row without a label, or with
    all of them, counts as 1.
    """

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        true = rows["target"] > 0
        scores = np.where(true, rows["scores"], -np.inf)
        rank = rankdata(-rows["scores"], "max", axis=1)  # 1 is the highest score
        rank_of_true = rankdata(-scores, "max", axis=1)
        num_true = true.sum(axis=1)
        total = np.where(true, rank_of_true / rank, 0.0).sum(axis=1)
        precision = total / np.maximum(num_true, 1)
        is_trivial = (num_true == 0) | (num_true == true.shape[1])
        return np.stack([np.where(is_trivial, 1.0, precision), np.ones(len(rows))])
