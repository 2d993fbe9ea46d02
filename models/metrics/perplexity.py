"""Perplexity: the exponential of the loss."""

from __future__ import annotations

import math

from typing_extensions import override

from textmill.models.metrics.loss import Loss
from textmill.models.metrics.metric import PredictionFacts

_LARGEST_EXPONENT = 700.0


class Perplexity(Loss):
    """The exponential of the mean loss of a token; at most e^700."""

    @override
    def value(self, ratio: float, facts: PredictionFacts) -> float:
        return math.exp(min(ratio, _LARGEST_EXPONENT))
