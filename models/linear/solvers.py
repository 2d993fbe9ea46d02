"""Solvers: from the presence of n-grams in documents to weights.

Logistic regressions have naive-Bayes weighted n-grams: Wang and Manning (2012),
"Baselines and Bigrams". Numbers have a ridge regression. Both solvers have one thread
and an arithmetic of their own, so that equal inputs give equal weights.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

_RIDGE_PENALTY = 30.0
"""Penalty of a ridge regression at cost 1, for numbers of variance 1."""


def logistic_weights(
    matrix: sparse.csr_matrix,
    factors: np.ndarray,
    targets: np.ndarray,
    *,
    cost: float,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Fits one logistic regression a label.

    Args:
        matrix: presence ``[documents, ngrams]``.
        factors: of the documents' sums of weights ``[documents]``.
        targets: bool ``[documents, labels]``.
        cost: inverse strength of the L2 penalty.
        seed: seed of the solver's order of documents.

    Returns:
        float32 weights ``[ngrams, labels]`` and bias ``[labels]``.
    """
    size = (matrix.shape[1], targets.shape[1])
    entries = np.repeat(factors, np.diff(matrix.indptr))
    weights, bias = np.zeros(size, np.float32), np.zeros(size[1], np.float32)
    for label, positive in enumerate(targets.T):
        if not matrix.shape[1] or not positive.any() or positive.all():
            bias[label] = np.log(positive.sum() + 0.5) - np.log((~positive).sum() + 0.5)
            continue  # nothing to tell apart: the label's share alone
        ratios = naive_bayes_ratios(matrix, positive)
        data = ratios[matrix.indices] * entries
        scaled = sparse.csr_matrix((data, matrix.indices, matrix.indptr), matrix.shape)
        solver = LogisticRegression(
            C=cost, solver="liblinear", dual=True, tol=0.01, random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            solver.fit(scaled, positive)
        weights[:, label] = solver.coef_[0] * ratios
        bias[label] = solver.intercept_[0]
    return weights, bias


def naive_bayes_ratios(matrix: sparse.csr_matrix, positive: np.ndarray) -> np.ndarray:
    """Returns the log ratio of each n-gram's share with and without the label.

    Every n-gram is also counted in one more document, which has the label to the extent
    of its share. So the ratio of a rare n-gram is close to 0, also where one label of
    many has few documents.

    Args:
        matrix: presence ``[documents, ngrams]``.
        positive: bool ``[documents]``.
    """
    inside = matrix.T @ positive.astype(np.float64)
    outside = matrix.T @ (~positive).astype(np.float64)
    share = (1.0 + inside.sum()) / (2.0 + inside.sum() + outside.sum())
    odds: np.ndarray = (inside + share) / (outside + 1.0 - share)
    return np.log(odds) - np.log(share / (1.0 - share))


def ridge_weights(
    matrix: sparse.csr_matrix,
    factors: np.ndarray,
    targets: np.ndarray,
    *,
    cost: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Fits a ridge regression.

    Args:
        matrix: presence ``[documents, ngrams]``.
        factors: of the documents' sums of weights ``[documents]``.
        targets: numbers ``[documents]``.
        cost: inverse strength of the penalty, whatever the unit of the targets.

    Returns:
        float32 weights ``[ngrams, 1]`` and bias ``[1]``.
    """
    targets = targets.astype(np.float64)
    mean, deviation = targets.mean(), targets.std()
    if not matrix.shape[1] or not deviation:
        weights = np.zeros((matrix.shape[1], 1), np.float32)
        return weights, np.array([mean], np.float32)
    solver = Ridge(alpha=_RIDGE_PENALTY / cost, solver="sparse_cg")
    solver.fit(sparse.diags(factors) @ matrix, (targets - mean) / deviation)
    weights = (solver.coef_ * deviation).astype(np.float32)[:, None]
    bias = mean + solver.intercept_ * deviation
    return weights, np.array([bias], np.float32)
