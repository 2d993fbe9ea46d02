"""Recall at k: the share of queries whose own text is among the first k."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import PredictedRows, ShareMetric


class RecallAt(ShareMetric):
    """Base class: the share of queries whose text has rank k or better."""

    k: int

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        hits = rows["rank"] <= self.k
        return np.stack([hits, np.ones(len(rows))]).astype(np.float64)


class RecallAt1(RecallAt):
    """The own text is the first."""

    k = 1


class RecallAt5(RecallAt):
    """The own text is among the first five."""

    k = 5


class RecallAt10(RecallAt):
    """The own text is among the first ten."""

    k = 10
