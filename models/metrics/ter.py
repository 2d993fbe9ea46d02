"""TER: edits and shifts for each word of the reference (Snover et al., 2006)."""

from __future__ import annotations

from typing import Any

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import PredictionFacts
from textmill.models.metrics.sacrebleu_metric import SacrebleuMetric
from textmill.models.metrics.words import Writing


class Ter(SacrebleuMetric):
    """Translation edit rate in percent; above 100 with more edits than words.

    Words are those between spaces, in lower case; in scripts without spaces Chinese
    characters are words (sacrebleu's ``norm:yes|asian:yes``).
    """

    @override
    def scorer(self, writing: Writing) -> Any:
        from sacrebleu.metrics import TER

        unspaced = writing != "spaced"
        return TER(normalized=unspaced, asian_support=unspaced)

    @override
    def of_sums(self, sums: np.ndarray, facts: PredictionFacts) -> np.ndarray:
        """Maps sums of edits and of the references' words."""
        edits, num_words = sums[..., 0], sums[..., 1]
        without = np.where(edits > 0, 1.0, 0.0)
        rate = edits / np.maximum(num_words, 1.0)
        return 100.0 * np.where(num_words > 0, rate, without)
