"""Token vectors from co-occurrence, in seconds and without training.

Positive pointwise mutual information of tokens within a window, factored by a truncated
singular value decomposition (Levy and Goldberg, 2014, "Neural Word Embedding as
Implicit Matrix Factorization"). The window is wide: near neighbors tell the grammar of
a word, far ones its topic, which is better for classifiers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

_WINDOW = 20
_EXPONENT = 0.5
"""Exponent of the singular values in the vectors."""
_MAX_TOKENS = 10_000_000
_TOKENS_A_BLOCK = 500_000


def cooccurrence_vectors(
    documents: Iterable[np.ndarray], *, vocabulary_size: int, width: int, seed: int
) -> np.ndarray:
    """Returns vectors of mean square 1 by token; 0 for tokens without a neighbor.

    Args:
        documents: token ids of each document; the first ones, in all about 10 million
            tokens, are counted.
        vocabulary_size: number of tokens.
        width: size of a vector; dimensions beyond the vocabulary's size are 0.
        seed: seed of the decomposition.

    Returns:
        float32 ``[vocabulary_size, width]``.
    """
    vectors = np.zeros((vocabulary_size, width), np.float32)
    counts = _pair_counts(documents, vocabulary_size)
    occurs = np.asarray(counts.sum(axis=1)).reshape(-1) > 0
    if not occurs.any():
        return vectors
    rank = min(width, vocabulary_size)
    left, values, _ = randomized_svd(
        _positive_information(counts),
        n_components=rank,
        n_iter=2,
        power_iteration_normalizer="QR",
        random_state=seed,
    )
    vectors[occurs, :rank] = (left * values**_EXPONENT)[occurs]
    return vectors / np.sqrt(np.mean(np.square(vectors[occurs])))


def _pair_counts(
    documents: Iterable[np.ndarray], vocabulary_size: int
) -> sparse.csr_matrix:
    """Returns symmetric counts of pairs in a window; one at distance d counts 1/d."""
    shape = (vocabulary_size, vocabulary_size)
    total = sparse.csr_matrix(shape)
    for ids, document in _streams(documents):
        for distance in range(1, _WINDOW + 1):
            inside = document[:-distance] == document[distance:]
            pair = (ids[:-distance][inside], ids[distance:][inside])
            weights = np.full(len(pair[0]), 1.0 / distance)
            total += sparse.coo_matrix((weights, pair), shape).tocsr()
    return total + total.T


def _streams(
    documents: Iterable[np.ndarray],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the tokens of many documents in a row, and each one's document number."""
    block: list[np.ndarray] = []
    size, left = 0, _MAX_TOKENS
    for ids in documents:
        block.append(ids)
        size += len(ids)
        if size >= min(left, _TOKENS_A_BLOCK):
            yield _stream(block)
            left -= size
            block, size = [], 0
        if left <= 0:
            return
    if block:
        yield _stream(block)


def _stream(documents: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    lengths = [len(ids) for ids in documents]
    return np.concatenate(documents), np.repeat(np.arange(len(documents)), lengths)


def _positive_information(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Returns the positive pointwise mutual information of tokens and contexts."""
    pairs = counts.tocoo()
    tokens = np.asarray(counts.sum(axis=1)).reshape(-1)
    expected = tokens[pairs.row] * (tokens / tokens.sum())[pairs.col]
    information = np.maximum(np.log(pairs.data / expected), 0.0)
    positive = sparse.csr_matrix((information, (pairs.row, pairs.col)), counts.shape)
    positive.eliminate_zeros()
    return positive
