"""The fitted linear model: logits and probabilities of documents, and its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file
from scipy.special import softmax

from textmill.models.linear.ngrams import ngram_keys, presence


@dataclass(frozen=True, kw_only=True)
class LinearModel:
    """Weights of token n-grams.

    Attributes:
        keys: sorted int64 ``[ngrams]``: see ``ngram_keys``.
        weights: float32 ``[ngrams, labels]``, as ``summable`` returns them.
        bias: float32 ``[labels]``.
        temperature: divides the logits of probabilities.
        order: longest n-gram.
        cost: inverse strength of the penalty that it was fitted with.
        vocabulary_size: number of tokens.
    """

    keys: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    temperature: float
    order: int
    cost: float
    vocabulary_size: int

    @classmethod
    def load(cls, path: Path, facts: Mapping[str, Any]) -> LinearModel:
        """Reads ``tensors`` from a file, and the rest from ``facts``."""
        return cls.of(load_file(path), facts)

    @classmethod
    def of(
        cls, tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any]
    ) -> LinearModel:
        """Returns the model of its tensors and facts."""
        known = {f.name for f in fields(cls)} - tensors.keys()
        return cls(**tensors, **{name: facts[name] for name in known})

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """Keys, weights and bias by name."""
        return {"keys": self.keys, "weights": self.weights, "bias": self.bias}

    @property
    def facts(self) -> dict[str, Any]:
        """Temperature, order, cost and vocabulary size."""
        return {
            "temperature": self.temperature,
            "order": self.order,
            "cost": self.cost,
            "vocabulary_size": self.vocabulary_size,
        }

    def at(self, temperature: float) -> LinearModel:
        """Returns the same weights at another temperature."""
        return replace(self, temperature=temperature)

    def logits(self, documents: Sequence[np.ndarray]) -> np.ndarray:
        """Returns float64 ``[documents, labels]`` for token ids of documents."""
        keys = ngram_keys(
            documents, order=self.order, vocabulary_size=self.vocabulary_size
        )
        logits: np.ndarray = presence(keys, self.keys) @ self.weights.astype(np.float64)
        return logits + self.bias

    def probabilities(self, documents: Sequence[np.ndarray]) -> np.ndarray:
        """Returns float32 ``[documents, labels]``."""
        scaled = self.logits(documents) / self.temperature
        return softmax(scaled, axis=1).astype(np.float32)


def summable(weights: np.ndarray) -> np.ndarray:
    """Returns float32 weights with exact float64 sums of up to a million, in any order.

    They are rounded to multiples of 2^-30 of the power of two above the largest. A sum
    of 2^20 of them has 51 bits at most, and a float64 holds 53.
    """
    largest = float(np.abs(weights).max(initial=0.0))
    step = 2.0 ** (np.frexp(largest)[1] - 30)
    rounded: np.ndarray = (np.round(weights.astype(np.float64) / step) * step).astype(
        np.float32
    )
    return rounded
