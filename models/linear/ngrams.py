"""Token n-grams: exact int64 keys, and their presence in documents.

An n-gram counts once per document: in short texts, presence says more than frequency
(Wang and Manning, 2012). Keys are numbers in base ``vocabulary_size`` and have no
collisions: three tokens of a vocabulary of two million fit 63 bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

MAX_ORDER = 3
MAX_VOCABULARY = 1 << 20
_DOCUMENTS_A_BLOCK = 4096


def ngram_keys(
    documents: Sequence[np.ndarray], *, order: int, vocabulary_size: int
) -> list[np.ndarray]:
    """Returns the sorted distinct n-grams of each document, as int64 keys.

    Args:
        documents: token ids of each document, without control tokens.
        order: longest n-gram, up to ``MAX_ORDER``.
        vocabulary_size: number of tokens, up to ``MAX_VOCABULARY``.
    """
    assert order <= MAX_ORDER and vocabulary_size <= MAX_VOCABULARY
    return [_keys(ids.astype(np.int64), order, vocabulary_size) for ids in documents]


def key_offsets(order: int, vocabulary_size: int) -> list[int]:
    """Returns the first key of the n-grams of each length, from 1 to ``order``."""
    return [sum(vocabulary_size**m for m in range(1, n)) for n in range(1, order + 1)]


def _keys(ids: np.ndarray, order: int, size: int) -> np.ndarray:
    keys, parts = ids, [ids]
    for n, offset in enumerate(key_offsets(order, size)[1:], start=1):
        keys = keys[:-1] * size + ids[n:]
        parts.append(keys + offset)
    return np.unique(np.concatenate(parts))


def frequent_keys(keys: Sequence[np.ndarray], *, min_documents: int) -> np.ndarray:
    """Returns the sorted keys that occur in ``min_documents`` documents or more."""
    seen, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for start in range(0, len(keys), _DOCUMENTS_A_BLOCK):
        block = keys[start : start + _DOCUMENTS_A_BLOCK]
        new, new_counts = np.unique(np.concatenate(block), return_counts=True)
        merged, where = np.unique(np.concatenate([seen, new]), return_inverse=True)
        total = np.zeros(len(merged), np.int64)
        np.add.at(total, where, np.concatenate([counts, new_counts]))
        seen, counts = merged, total
    return seen[counts >= min_documents]


def presence(keys: Sequence[np.ndarray], known: np.ndarray) -> sparse.csr_matrix:
    """Returns float64 ``[documents, known]``: 1 where a document has a known n-gram."""
    columns, starts = [np.zeros(0, np.int64)], [0]
    for row in keys:
        indices = np.searchsorted(known, row)
        inside = indices < len(known)
        inside[inside] = known[indices[inside]] == row[inside]
        columns.append(indices[inside])
        starts.append(starts[-1] + len(columns[-1]))
    flat = np.concatenate(columns)
    entries = (np.ones(len(flat)), flat, starts)
    return sparse.csr_matrix(entries, (len(keys), len(known)))
