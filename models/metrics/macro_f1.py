"""Macro F1: the mean F1 of the labels that occur."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.confusion import MacroMetric
from textmill.models.metrics.metric import PredictedRows, PredictionFacts, SumMetric
from textmill.models.metrics.multilabel import f1_scores, label_hits


class MacroF1(MacroMetric):
    """Mean F1 over labels; 0 for a label without a defined F1."""

    score = 2


class LabelsMacroF1(SumMetric):
    """Mean F1 over labels, of rows with any number of them.

    A label that no row has and no answer names does not count.
    """

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        hits = label_hits(rows).transpose(0, 2, 1)  # [3, labels, rows]
        return hits.reshape(-1, len(rows)).astype(np.float64)

    @override
    def of_sums(self, sums: np.ndarray, facts: PredictionFacts) -> np.ndarray:
        hits, chosen, true = np.split(sums, 3, axis=-1)  # [..., labels]
        num_occurring = np.maximum((chosen + true > 0).sum(axis=-1), 1)
        mean: np.ndarray = f1_scores(hits, chosen, true).sum(axis=-1) / num_occurring
        return mean
