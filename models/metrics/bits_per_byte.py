"""Bits per byte: the loss in a unit that does not depend on the vocabulary."""

from __future__ import annotations

import math

from typing_extensions import override

from textmill.models.metrics.loss import Loss
from textmill.models.metrics.metric import PredictionFacts


class BitsPerByte(Loss):
    """Loss in bits times the tokens that a byte of text has."""

    @override
    def value(self, ratio: float, facts: PredictionFacts) -> float:
        assert facts.tokens_per_byte is not None
        return ratio * (facts.tokens_per_byte / math.log(2))
