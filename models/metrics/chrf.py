"""chrF: F-score of character n-grams (Popović, 2015)."""

from __future__ import annotations

from typing import Any

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import PredictionFacts
from textmill.models.metrics.sacrebleu_metric import SacrebleuMetric
from textmill.models.metrics.words import Writing

_BETA = 2.0


class Chrf(SacrebleuMetric):
    """chrF2 from 0 to 100: n-grams of up to 6 characters, recall counts twice."""

    @override
    def scorer(self, writing: Writing) -> Any:
        from sacrebleu.metrics import CHRF

        return CHRF()

    @override
    def of_sums(self, sums: np.ndarray, facts: PredictionFacts) -> np.ndarray:
        """Maps sums of n-grams, n-grams of references and matches, order by order.

        Precision and recall are means over the orders that both sides have.
        """
        by_order = sums.reshape(*sums.shape[:-1], -1, 3)  # [..., orders, 3]
        given, wanted, matches = np.moveaxis(by_order, -1, 0)
        counts = (given > 0) & (wanted > 0)
        num_orders = np.maximum(counts.sum(axis=-1), 1)
        precision = matches / np.maximum(given, 1.0) * counts
        recall = matches / np.maximum(wanted, 1.0) * counts
        precision = precision.sum(axis=-1) / num_orders
        recall = recall.sum(axis=-1) / num_orders
        factor = _BETA * _BETA
        bottom = factor * precision + recall
        top = (1.0 + factor) * precision * recall
        return 100.0 * top / np.where(bottom > 0, bottom, 1.0)
