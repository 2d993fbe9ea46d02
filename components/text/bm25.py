"""BM25: scores texts for a query by the tokens that they share.

The weight of a token in a text is ``idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b *
length / mean length))`` with ``idf = ln(1 + (n - df + 0.5) / (df + 0.5))`` (Robertson
and Zaragoza, 2009; the idf is Lucene's, never negative). A score is the sum of the
weights of a query's tokens, each as often as the query has it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

K1, B = 1.2, 0.75
"""Lucene's defaults."""


class Bm25:
    """An index of texts, given as token ids.

    Args:
        texts: int ``[tokens]`` of each text.
        vocabulary_size: number of tokens.
        k1: saturation of a token's frequency.
        b: share of the correction for a text's length.
    """

    def __init__(
        self,
        texts: Sequence[np.ndarray],
        *,
        vocabulary_size: int,
        k1: float = K1,
        b: float = B,
    ) -> None:
        self._size = vocabulary_size
        counts = self._counts(texts)
        lengths = np.array([len(text) for text in texts], np.float64)
        df = np.bincount(counts.indices, minlength=vocabulary_size)
        idf = np.log1p((len(texts) - df + 0.5) / (df + 0.5))
        spread = k1 * (1 - b + b * lengths / max(1.0, lengths.mean()))  # [texts]
        tf = counts.data
        per_token = np.repeat(spread, np.diff(counts.indptr))
        counts.data = idf[counts.indices] * tf * (k1 + 1) / (tf + per_token)
        self._weights = counts.T.tocsr()  # [vocabulary, texts]

    def scores(self, queries: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the score of every text, float64 ``[queries, texts]``."""
        scores: np.ndarray = (self._counts(queries) @ self._weights).toarray()
        return scores

    def _counts(self, texts: Sequence[np.ndarray]) -> sparse.csr_matrix:
        """Returns how often each text has each token, ``[texts, vocabulary]``."""
        ends = np.cumsum([0, *(len(text) for text in texts)])
        flat = np.concatenate([np.zeros(0, np.int64), *texts]).astype(np.int64)
        ones = np.ones(len(flat), np.float64)
        counts = sparse.csr_matrix((ones, flat, ends), (len(texts), self._size))
        counts.sum_duplicates()
        return counts
