"""The linear model: a naive-Bayes weighted logistic regression over token n-grams.

It learns in seconds and is the figure that a larger model has to beat. Reading order:
this file (its knobs), ``ngrams.py`` (tokens to a sparse matrix), ``fit.py`` (matrix to
weights), ``model.py`` (the fitted model and its files), ``graph.py`` (the same answers
in TensorFlow ops, for export). Importing this package loads no TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LinearConfig:
    """Choices of the linear model; eval accuracy decides between several."""

    orders: tuple[int, ...] = (2, 3)
    """Numbers of tokens of the longest n-gram."""
    costs: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0)
    """Inverse strengths of the L2 penalty."""
    min_documents: int = 2
    """Training documents in which an n-gram must occur."""
    max_documents: int = 100_000
    """Training documents used; more than these hardly improve a linear model."""
