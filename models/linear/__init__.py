"""The linear model of token n-grams: it learns labels or numbers in seconds.

It is the figure that a larger model has to beat. Reading order: this file (its knobs),
``ngrams.py`` (tokens to a sparse matrix), ``solvers.py`` (matrix to weights),
``scoring.py`` (held-out documents to a score), ``fit.py`` (the best of several),
``model.py`` (the fitted model and its files), ``graph.py`` (the same answers in
TensorFlow ops, for export). Importing this package loads no TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from textmill.models.checks import COUNT, POSITIVE, Bounds, check_bounds

MAX_ORDER = 3


@dataclass(frozen=True, kw_only=True)
class LinearConfig:
    """Choices of the linear model; held-out documents decide between several."""

    orders: tuple[Annotated[int, Bounds(at_least=1, at_most=MAX_ORDER)], ...] = (2, 3)
    """Numbers of tokens of the longest n-gram."""
    costs: tuple[Annotated[float, POSITIVE], ...] = (0.2, 0.6, 2.0)
    """Inverse strengths of the L2 penalty."""
    min_documents: Annotated[int, COUNT] = 2
    """Training documents in which an n-gram must occur."""
    max_documents: Annotated[int, COUNT] = 100_000
    """Training documents used; more than these hardly improve a linear model."""
    max_tokens: Annotated[int, COUNT] = 30_000_000
    """Training tokens used, in whole documents: they bound the memory of a fit."""
    choice_documents: Annotated[int, COUNT] = 10_000
    """Training documents that choose order and cost; the model learns from all."""
    max_weights: Annotated[int, COUNT] = 32_000_000
    """Weights, of four bytes each: one for each n-gram and label. The n-grams of most
    documents have them."""

    def __post_init__(self) -> None:
        check_bounds(self)
        if not self.orders or not self.costs:
            raise ValueError("at least one of orders and one of costs, got none")
