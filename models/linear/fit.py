"""Fits the linear model, with the order and cost that held-out documents prefer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from textmill.models.label_thresholds import tune_thresholds
from textmill.models.linear import LinearConfig
from textmill.models.linear.model import LinearKind, LinearModel, summable
from textmill.models.linear.ngrams import (
    frequent_keys,
    length_factors,
    most_frequent,
    presence,
)
from textmill.models.linear.scoring import calibrate
from textmill.models.linear.solvers import logistic_weights, ridge_weights


def fit_linear(
    documents: Sequence[np.ndarray],
    targets: np.ndarray,
    *,
    eval_documents: Sequence[np.ndarray],
    eval_targets: np.ndarray,
    kind: LinearKind = "label",
    num_outputs: int,
    vocabulary_size: int,
    config: LinearConfig,
    seed: int,
) -> LinearModel:
    """Returns the model with the best score on the eval documents.

    Args:
        documents: token ids of the training documents.
        targets: label numbers ``[documents]`` of kind label, 0 or 1
            ``[documents, labels]`` of labels, numbers ``[documents]`` of number.
        eval_documents: token ids of the documents that choose order and cost, and set
            temperature and thresholds; without any, the middle choices are taken.
        eval_targets: their targets.
        kind: kind of target.
        num_outputs: number of labels; 1 for numbers.
        vocabulary_size: number of tokens.
        config: choices.
        seed: seed of the solver's order of documents.
    """
    fits = _Fits(kind, num_outputs, vocabulary_size, config, seed)
    if not len(eval_documents):
        middle = config.costs[len(config.costs) // 2]
        best = next(fits.models(documents, targets, config.orders[-1:], (middle,)))
        return _with_thresholds(best, eval_documents, targets[:0])
    size = config.choice_documents
    candidates = fits.models(
        documents[:size], targets[:size], config.orders, config.costs
    )
    scored = (calibrate(m, m.logits(eval_documents), eval_targets) for m in candidates)
    best, _ = max(scored, key=lambda pair: pair[1])
    if len(documents) > size:
        [best] = fits.models(documents, targets, (best.order,), (best.cost,))
        best, _ = calibrate(best, best.logits(eval_documents), eval_targets)
    return _with_thresholds(best, eval_documents, eval_targets)


def _with_thresholds(
    model: LinearModel, documents: Sequence[np.ndarray], targets: np.ndarray
) -> LinearModel:
    """Returns a model of labels with thresholds for held-out documents."""
    if model.kind != "labels":
        return model
    thresholds = tune_thresholds(model.probabilities(documents), targets)
    return replace(model, thresholds=tuple(thresholds.tolist()))


@dataclass(frozen=True)
class _Fits:
    """The settings that all candidates share."""

    kind: LinearKind
    num_outputs: int
    vocabulary_size: int
    config: LinearConfig
    seed: int

    def models(
        self,
        documents: Sequence[np.ndarray],
        targets: np.ndarray,
        orders: tuple[int, ...],
        costs: tuple[float, ...],
    ) -> Iterator[LinearModel]:
        """Yields a model for each order and cost, at temperature 1."""
        size = self.vocabulary_size
        for order in orders:
            known, counts = frequent_keys(
                documents,
                order=order,
                vocabulary_size=size,
                min_documents=self.config.min_documents,
            )
            limit = self.config.max_weights // self.num_outputs
            keys = most_frequent(known, counts, limit)
            matrix = presence(documents, keys, order=order, vocabulary_size=size)
            examples = (matrix, length_factors(documents), targets)
            for cost in costs:
                weights, bias = self._weights(*examples, cost=cost)
                yield LinearModel(
                    kind=self.kind,
                    keys=keys,
                    weights=summable(weights),
                    bias=bias,
                    temperature=1.0,
                    order=order,
                    cost=cost,
                    vocabulary_size=size,
                    ngrams_left_out=len(known) - len(keys),
                )

    def _weights(
        self,
        matrix: sparse.csr_matrix,
        factors: np.ndarray,
        targets: np.ndarray,
        *,
        cost: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        if self.kind == "number":
            return ridge_weights(matrix, factors, targets, cost=cost)
        if self.kind == "label":
            targets = targets[:, None] == np.arange(self.num_outputs)
        return logistic_weights(
            matrix, factors, targets.astype(bool), cost=cost, seed=self.seed
        )
