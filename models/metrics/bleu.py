"""BLEU: n-gram precision with a brevity penalty (Papineni et al., 2002)."""

from __future__ import annotations

from typing import Any

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import PredictionFacts
from textmill.models.metrics.sacrebleu_metric import SacrebleuMetric
from textmill.models.metrics.words import Writing

_ORDERS = 4
_TOKENIZERS: dict[Writing, str] = {"spaced": "13a", "han": "zh", "unspaced": "char"}


class Bleu(SacrebleuMetric):
    """Corpus BLEU from 0 to 100: n-grams up to 4, smoothed by sacrebleu's ``exp``.

    Words are those of mteval's ``13a``; of references in Chinese those of ``zh``, and
    of another script without spaces its characters (``char``).
    """

    @override
    def scorer(self, writing: Writing) -> Any:
        from sacrebleu.metrics import BLEU

        return BLEU(tokenize=_TOKENIZERS[writing], force=True)

    @override
    def of_sums(self, sums: np.ndarray, facts: PredictionFacts) -> np.ndarray:
        """Maps sums of length, reference length, matches by order and n-grams by order.

        An order without a match counts half a match, the next one a quarter, and so on.
        """
        length, reference_length = sums[..., 0], sums[..., 1]
        correct, total = sums[..., 2 : 2 + _ORDERS], sums[..., 2 + _ORDERS :]
        has_match = correct > 0
        halvings = np.cumsum(~has_match, axis=-1)
        matches = np.where(has_match, correct, 0.5**halvings)
        precision = 100.0 * matches / np.maximum(total, 1.0)
        mean = np.exp(np.log(np.maximum(precision, 1e-300)).mean(axis=-1))
        shortness = 1.0 - reference_length / np.maximum(length, 1e-12)
        penalty = np.exp(np.minimum(shortness, 0.0))
        defined = has_match.any(axis=-1) & (total > 0).all(axis=-1)
        return np.where(defined, penalty * mean, 0.0)
