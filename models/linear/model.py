"""The fitted linear model: logits and probabilities of documents, and its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors.numpy import load_file
from scipy import sparse
from scipy.special import expit, softmax

from textmill.models.linear.ngrams import length_factors, presence

LinearKind = Literal["label", "labels", "number"]
"""Kinds of target that it learns; see ``textmill.models.targets``."""


@dataclass(frozen=True, kw_only=True)
class LinearModel:
    """Weights of token n-grams.

    Attributes:
        kind: kind of target.
        keys: sorted int64 ``[ngrams]``: see ``ngram_keys``.
        weights: float32 ``[ngrams, outputs]``, as ``summable`` returns them.
        bias: float32 ``[outputs]``: one for each label, or for the number.
        temperature: divides the logits of probabilities.
        thresholds: of kind labels: lowest score of each label in an answer.
        order: longest n-gram.
        cost: inverse strength of the penalty that it was fitted with.
        vocabulary_size: number of tokens.
        ngrams_left_out: frequent n-grams that have no weight because of a limit.
    """

    kind: LinearKind = "label"
    keys: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    temperature: float
    order: int
    cost: float
    vocabulary_size: int
    ngrams_left_out: int = 0
    thresholds: tuple[float, ...] = ()

    @classmethod
    def load(cls, path: Path, facts: Mapping[str, Any]) -> LinearModel:
        """Reads ``tensors`` from a file, and the rest from ``facts``."""
        return cls.of(load_file(path), facts)

    @classmethod
    def of(
        cls, tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any]
    ) -> LinearModel:
        """Returns the model of its tensors and facts."""
        known = ({f.name for f in fields(cls)} - tensors.keys()) & facts.keys()
        return cls(**tensors, **{name: facts[name] for name in known})

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """Keys, weights and bias by name."""
        return {"keys": self.keys, "weights": self.weights, "bias": self.bias}

    @property
    def facts(self) -> dict[str, Any]:
        """Every other attribute by name."""
        names = {f.name for f in fields(self)} - self.tensors.keys()
        return {name: getattr(self, name) for name in sorted(names)}

    def at(self, temperature: float) -> LinearModel:
        """Returns the same weights at another temperature."""
        return replace(self, temperature=temperature)

    def logits(self, documents: Sequence[np.ndarray]) -> np.ndarray:
        """Returns float64 ``[documents, outputs]`` for token ids of documents.

        The output of kind number is the number.
        """
        matrix = presence(
            documents,
            self.keys,
            order=self.order,
            vocabulary_size=self.vocabulary_size,
        )
        # Only the n-grams that occur, whose weights become float64.
        used, columns = np.unique(matrix.indices, return_inverse=True)
        shape = (matrix.shape[0], len(used))
        matrix = sparse.csr_matrix((matrix.data, columns, matrix.indptr), shape)
        sums: np.ndarray = matrix @ self.weights[used].astype(np.float64)
        return sums * length_factors(documents)[:, None] + self.bias

    def probabilities(self, documents: Sequence[np.ndarray]) -> np.ndarray:
        """Returns float32 ``[documents, labels]``; each row of kind label sums to 1."""
        assert self.kind != "number"
        scaled = self.logits(documents) / self.temperature
        share = softmax(scaled, axis=1) if self.kind == "label" else expit(scaled)
        return share.astype(np.float32)

    def outputs(self, documents: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the columns of predictions that metrics need, by kind of target.

        They are ``probabilities`` of a label; ``scores`` and ``chosen`` of labels; or
        ``number``, float32 ``[documents]``.
        """
        if self.kind == "number":
            return {"number": self.logits(documents)[:, 0].astype(np.float32)}
        probabilities = self.probabilities(documents)
        if self.kind == "label":
            return {"probabilities": probabilities}
        chosen = probabilities >= np.array(self.thresholds, np.float32)
        return {"scores": probabilities, "chosen": chosen.astype(np.uint8)}


def average_models(models: Sequence[LinearModel]) -> LinearModel:
    """Returns one model whose logits are the mean of those of several models.

    It has the n-grams of all, up to the highest order; cost and temperature are means.
    """
    first = models[0]
    for model in models:
        assert (model.kind, model.vocabulary_size) == (
            first.kind,
            first.vocabulary_size,
        )
    keys = np.unique(np.concatenate([model.keys for model in models]))
    weights = np.zeros((len(keys), first.weights.shape[1]))
    for model in models:
        # The keys of a lower order are among those of a higher one.
        weights[np.searchsorted(keys, model.keys)] += model.weights
    bias = np.mean([model.bias for model in models], axis=0, dtype=np.float64)
    return replace(
        first,
        keys=keys,
        weights=summable(weights / len(models)),
        bias=bias.astype(np.float32),
        temperature=float(np.mean([model.temperature for model in models])),
        order=max(model.order for model in models),
        cost=float(np.mean([model.cost for model in models])),
        ngrams_left_out=max(model.ngrams_left_out for model in models),
    )


def summable(weights: np.ndarray) -> np.ndarray:
    """Returns float32 weights with exact float64 sums of up to a million, in any order.

    They are rounded to multiples of 2^-30 of the power of two above the largest. A sum
    of 2^20 of them has 51 bits at most, and a float64 holds 53.
    """
    _, exponent = np.frexp(float(np.abs(weights).max(initial=0.0)))
    units = np.rint(np.ldexp(weights, 30 - exponent))
    rounded: np.ndarray = np.ldexp(units, exponent - 30).astype(np.float32)
    return rounded
