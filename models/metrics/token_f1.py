"""Token F1 of answers to questions."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.answers import best_scores, token_f1
from textmill.models.metrics.metric import Metric, PredictedRows


class TokenF1(Metric):
    """Mean over questions of the F1 of words, of the best of the right answers."""

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        return np.stack([best_scores(rows, token_f1), np.ones(len(rows))])
