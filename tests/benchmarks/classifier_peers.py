"""The classifiers of ``bench_classifiers.py`` that scikit-learn alone makes.

Their penalty is chosen on eval, as the product chooses its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

_TFIDF_COSTS = (1.0, 3.0, 10.0, 30.0)
_SVM_COSTS = (0.01, 0.03, 0.1, 0.3, 1.0)
Split = tuple[Sequence[Any], np.ndarray]
"""Texts, or their features, and label numbers."""
Scored = dict[str, tuple[float, np.ndarray]]
"""By name: accuracy on eval, and label numbers of the test texts."""


def tfidf(train: Split, held_out: Split, test: Split) -> Scored:
    """Logistic regression over TF-IDF."""
    vectorizers = {
        "TF-IDF, words": TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)),
        "TF-IDF, characters": TfidfVectorizer(
            sublinear_tf=True, analyzer="char_wb", ngram_range=(1, 5), min_df=2
        ),
    }
    return {
        name: _best(
            _logistic, _TFIDF_COSTS, _features(vectorizer, train, held_out, test)
        )
        for name, vectorizer in vectorizers.items()
    }


def nbsvm(train: Split, held_out: Split, test: Split) -> Scored:
    """The NB-SVM of Wang and Manning (2012)."""
    vectorizers = {
        "NB-SVM, words": CountVectorizer(binary=True, ngram_range=(1, 2)),
        "NB-SVM, characters": CountVectorizer(
            binary=True, analyzer="char_wb", ngram_range=(1, 3)
        ),
    }
    return {
        name: _best(_nbsvm, _SVM_COSTS, _features(vectorizer, train, held_out, test))
        for name, vectorizer in vectorizers.items()
    }


def count_ngrams(
    train: Sequence[np.ndarray],
    test: Sequence[np.ndarray],
    *,
    order: int,
    min_documents: int,
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Returns the presence of token n-grams in documents, by scikit-learn alone.

    Args:
        train: token ids of the training documents.
        test: those of the test documents.
        order: longest n-gram.
        min_documents: training documents in which an n-gram must occur.
    """
    vectorizer = CountVectorizer(
        binary=True,
        ngram_range=(1, order),
        min_df=min_documents,
        tokenizer=_as_words,
        token_pattern=None,
        lowercase=False,
        dtype=np.float64,
    )
    return vectorizer.fit_transform(train), vectorizer.transform(test)


def _as_words(ids: Iterable[int]) -> list[str]:
    return [str(number) for number in ids]


def _features(
    vectorizer: Any, train: Split, held_out: Split, test: Split
) -> tuple[Split, Split, sparse.csr_matrix]:
    """Returns matrices in place of texts; the test split's without its labels."""
    matrix = vectorizer.fit_transform(train[0]).astype(np.float64)
    return (
        (matrix, train[1]),
        (vectorizer.transform(held_out[0]).astype(np.float64), held_out[1]),
        vectorizer.transform(test[0]).astype(np.float64),
    )


def _best(
    make: Callable[[float, Split], Callable[[Any], np.ndarray]],
    costs: Iterable[float],
    features: tuple[Split, Split, Any],
) -> tuple[float, np.ndarray]:
    """Returns the accuracy on eval of the best cost, and its labels of the test."""
    train, (held_out, targets), test = features
    models = [make(cost, train) for cost in costs]
    scores = [float((model(held_out) == targets).mean()) for model in models]
    best = int(np.argmax(scores))
    return scores[best], models[best](test)


def _logistic(cost: float, train: Split) -> Callable[[Any], np.ndarray]:
    model = LogisticRegression(C=cost, max_iter=1000, tol=1e-3)
    predict: Callable[[Any], np.ndarray] = model.fit(*train).predict
    return predict


def _nbsvm(cost: float, train: Split) -> Callable[[Any], np.ndarray]:
    """Fits one squared-hinge machine a label to n-grams weighted by naive Bayes."""
    matrix, targets = train
    columns = []
    for label in range(int(targets.max()) + 1):
        positive = (targets == label).astype(np.float64)
        inside, outside = 1 + matrix.T @ positive, 1 + matrix.T @ (1 - positive)
        ratios = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
        model = LinearSVC(C=cost, dual=True, tol=0.01, random_state=17)
        model.fit(matrix @ sparse.diags(ratios), positive)
        columns.append((model.coef_[0] * ratios, model.intercept_[0]))
    weights = np.stack([column for column, _ in columns], axis=1)
    bias = np.array([intercept for _, intercept in columns])
    return lambda rows: np.argmax(rows @ weights + bias, axis=1)
