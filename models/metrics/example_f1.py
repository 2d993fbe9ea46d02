"""Example F1: the mean F1 of the label sets of single rows."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import Metric, PredictedRows
from textmill.models.metrics.multilabel import f1_scores, label_hits


class ExampleF1(Metric):
    """Mean over rows of the F1 of chosen and true labels; 1 where both are none."""

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        hits, chosen, true = label_hits(rows).sum(axis=2)  # [rows]
        scores = np.where(chosen + true > 0, f1_scores(hits, chosen, true), 1.0)
        return np.stack([scores, np.ones(len(rows))])
