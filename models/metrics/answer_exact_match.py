"""Exact match of answers to questions."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.answers import best_scores, exact_match
from textmill.models.metrics.metric import PredictedRows, ShareMetric


class AnswerExactMatch(ShareMetric):
    """Share of questions whose answer is, word for word, one of the right ones."""

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        return np.stack([best_scores(rows, exact_match), np.ones(len(rows))])
