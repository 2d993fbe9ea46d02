"""Normalized discounted cumulative gain of the first ten texts."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import Metric, PredictedRows


class NdcgAt10(Metric):
    """Mean of 1 / log2(1 + rank) over queries, 0 beyond rank 10.

    This is nDCG@10 (Järvelin and Kekäläinen, 2002) with one right text for each query.
    """

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        rank = rows["rank"].astype(np.float64)
        gain = np.where(rank <= 10, 1.0 / np.log2(1.0 + rank), 0.0)
        return np.stack([gain, np.ones(len(rows))])
