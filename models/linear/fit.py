"""Fits the linear model: naive-Bayes weights, then one logistic regression a label.

Wang and Manning (2012), "Baselines and Bigrams". liblinear has one thread and its own
arithmetic, so that equal inputs give equal weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from textmill.models.linear import LinearConfig
from textmill.models.linear.model import LinearModel, summable
from textmill.models.linear.ngrams import frequent_keys, ngram_keys, presence

_LARGEST_TEMPERATURE = 20.0


def fit_linear(
    documents: Sequence[np.ndarray],
    targets: np.ndarray,
    *,
    eval_documents: Sequence[np.ndarray],
    eval_targets: np.ndarray,
    num_labels: int,
    vocabulary_size: int,
    config: LinearConfig,
    seed: int,
) -> LinearModel:
    """Returns the model with the highest accuracy on the eval documents.

    Args:
        documents: token ids of the training documents.
        targets: label numbers ``[documents]``.
        eval_documents: token ids of the documents that choose order and cost, and set
            the temperature; without any, the middle choices are taken.
        eval_targets: their label numbers.
        num_labels: number of labels.
        vocabulary_size: number of tokens.
        config: choices.
        seed: seed of the solver's order of documents.
    """
    best: tuple[tuple[float, float], LinearModel] | None = None
    choose = len(eval_documents) > 0
    for order in config.orders if choose else config.orders[-1:]:
        keys = ngram_keys(documents, order=order, vocabulary_size=vocabulary_size)
        known = frequent_keys(keys, min_documents=config.min_documents)
        matrix = presence(keys, known)
        ratios = [naive_bayes_ratios(matrix, targets == n) for n in range(num_labels)]
        middle = config.costs[len(config.costs) // 2]
        for cost in config.costs if choose else (middle,):
            model = LinearModel(
                keys=known,
                **_weights(matrix, targets, ratios, cost=cost, seed=seed),
                temperature=1.0,
                order=order,
                cost=cost,
                vocabulary_size=vocabulary_size,
            )
            score = (0.0, 0.0)
            if choose:
                model, score = _calibrated(model, eval_documents, eval_targets)
            if best is None or score > best[0]:
                best = (score, model)
    assert best is not None
    return best[1]


def naive_bayes_ratios(matrix: sparse.csr_matrix, positive: np.ndarray) -> np.ndarray:
    """Returns the log ratio of each n-gram's share with and without the label.

    Args:
        matrix: presence ``[documents, ngrams]``.
        positive: bool ``[documents]``.
    """
    inside = 1.0 + matrix.T @ positive.astype(np.float64)
    outside = 1.0 + matrix.T @ (~positive).astype(np.float64)
    ratios: np.ndarray = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
    return ratios


def _weights(
    matrix: sparse.csr_matrix,
    targets: np.ndarray,
    ratios: list[np.ndarray],
    *,
    cost: float,
    seed: int,
) -> dict[str, np.ndarray]:
    """Returns float32 weights ``[ngrams, labels]`` and bias ``[labels]``."""
    weights = np.zeros((matrix.shape[1], len(ratios)), np.float32)
    bias = np.zeros(len(ratios), np.float32)
    for label, ratio in enumerate(ratios):
        positive = targets == label
        if not positive.any() or positive.all():
            bias[label] = np.log(positive.sum() + 0.5) - np.log((~positive).sum() + 0.5)
            continue  # nothing to tell apart: the label's share alone
        scaled = matrix.copy()
        scaled.data = ratio[matrix.indices]
        solver = LogisticRegression(
            C=cost, solver="liblinear", dual=True, tol=0.01, random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            solver.fit(scaled, positive)
        weights[:, label] = solver.coef_[0] * ratio
        bias[label] = solver.intercept_[0]
    return {"weights": summable(weights), "bias": bias}


def _calibrated(
    model: LinearModel, documents: Sequence[np.ndarray], targets: np.ndarray
) -> tuple[LinearModel, tuple[float, float]]:
    """Returns the model at the temperature of the lowest loss, and its score.

    A score is accuracy, then negative loss. One more document than there are is taken
    to be wrong (Platt, 1999), or answers without an error would be certain.
    """
    logits = model.logits(documents)
    size, num_labels = logits.shape
    truth = np.full(logits.shape, 1 / (size + 2) / max(num_labels - 1, 1))
    truth[np.arange(size), targets] = (size + 1) / (size + 2)

    def loss(temperature: float) -> float:
        return -float((truth * log_softmax(logits / temperature, axis=1)).sum() / size)

    optimum = minimize_scalar(
        loss, bounds=(0.05, _LARGEST_TEMPERATURE), method="bounded"
    )
    temperature = round(float(optimum.x), 3)
    accuracy = float((logits.argmax(axis=1) == targets).mean())
    return model.at(temperature), (accuracy, -loss(temperature))
