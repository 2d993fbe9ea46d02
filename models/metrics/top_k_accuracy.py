"""Top-k accuracy: the true label is among the k most probable ones."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import PredictedRows, ShareMetric


class TopKAccuracy(ShareMetric):
    """Base class: the share of rows whose label is one of the k most probable.

    Of equally probable labels the first counts as more probable, as in an answer. There
    is none with k labels or fewer, all of which are in the list.
    """

    k: int

    @override
    def applies(self, rows: PredictedRows) -> bool:
        return len(rows.facts.labels) > self.k

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        probabilities, target = rows["probabilities"], rows["target"][:, None]
        of_target = np.take_along_axis(probabilities, target, axis=1)  # [rows, 1]
        comes_first = np.arange(probabilities.shape[1]) < target
        is_higher = probabilities > of_target
        is_higher |= (probabilities == of_target) & comes_first
        hits = is_higher.sum(axis=1) < self.k
        return np.stack([hits, np.ones(len(rows))]).astype(np.float64)


class Top3Accuracy(TopKAccuracy):
    """The true label is one of the three most probable."""

    k = 3


class Top5Accuracy(TopKAccuracy):
    """The true label is one of the five most probable."""

    k = 5
