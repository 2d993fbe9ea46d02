"""Token n-grams: exact int64 keys, and their presence in documents.

An n-gram counts once per document: in short texts, presence says more than frequency
(Wang and Manning, 2012). Keys are numbers in base ``vocabulary_size`` and have no
collisions: three tokens of a vocabulary of two million fit 63 bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from scipy import sparse

from textmill.models.linear import MAX_ORDER

MAX_VOCABULARY = 1 << 20
SHORT_TEXT = 16
"""Tokens of a text whose sum of weights is divided by the square root of two."""
_TOKENS_A_BLOCK = 1 << 16


def key_offsets(order: int, vocabulary_size: int) -> list[int]:
    """Returns the first key of the n-grams of each length, from 1 to ``order``."""
    assert order <= MAX_ORDER and vocabulary_size <= MAX_VOCABULARY
    return [sum(vocabulary_size**m for m in range(1, n)) for n in range(1, order + 1)]


def ngram_keys(
    documents: Sequence[np.ndarray], *, order: int, vocabulary_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the key of every n-gram, repeats included, and its document.

    Args:
        documents: token ids of each document, without control tokens.
        order: longest n-gram, up to ``MAX_ORDER``.
        vocabulary_size: number of tokens, up to ``MAX_VOCABULARY``.

    Returns:
        keys, int64 ``[m]``, and numbers of documents, int64 ``[m]``.
    """
    ids = np.concatenate([np.zeros(0, np.int64), *documents]).astype(np.int64)
    owners = np.repeat(np.arange(len(documents)), [len(d) for d in documents])
    keys, parts, rows = ids, [ids], [owners]
    for n, offset in enumerate(key_offsets(order, vocabulary_size)[1:], start=1):
        keys = keys[:-1] * vocabulary_size + ids[n:]
        within = owners[:-n] == owners[n:]
        parts.append(keys[within] + offset)
        rows.append(owners[:-n][within])
    return np.concatenate(parts), np.concatenate(rows)


def frequent_keys(
    documents: Sequence[np.ndarray],
    *,
    order: int,
    vocabulary_size: int,
    min_documents: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the keys of n-grams in ``min_documents`` documents or more, sorted.

    Returns:
        keys, int64 ``[ngrams]``, and the documents that have each, int64 ``[ngrams]``.
    """
    distinct = [np.zeros(0, np.int64)]
    for block in _blocks(documents):
        block_keys, rows = ngram_keys(
            block, order=order, vocabulary_size=vocabulary_size
        )
        by_key = np.lexsort((rows, block_keys))
        block_keys, rows = block_keys[by_key], rows[by_key]
        distinct.append(block_keys[_is_new(block_keys) | _is_new(rows)])
    keys = np.concatenate(distinct)
    keys.sort()
    starts = np.flatnonzero(_is_new(keys))
    counts = np.diff(starts, append=len(keys))
    frequent = counts >= min_documents
    return keys[starts[frequent]], counts[frequent]


def most_frequent(keys: np.ndarray, counts: np.ndarray, limit: int) -> np.ndarray:
    """Returns ``limit`` keys with the highest counts, sorted; low keys win ties."""
    return np.sort(keys[np.argsort(-counts, kind="stable")[:limit]])


def presence(
    documents: Sequence[np.ndarray],
    known: np.ndarray,
    *,
    order: int,
    vocabulary_size: int,
) -> sparse.csr_matrix:
    """Returns float64 ``[documents, known]``: 1 where a document has a known n-gram."""
    blocks = [sparse.csr_matrix((0, len(known)))]
    for block in _blocks(documents):
        keys, rows = ngram_keys(block, order=order, vocabulary_size=vocabulary_size)
        columns = np.searchsorted(known, keys)
        inside = columns < len(known)
        inside[inside] = known[columns[inside]] == keys[inside]
        places = (rows[inside], columns[inside])
        shape = (len(block), len(known))
        # Repeats are added up.
        counts = sparse.csr_matrix((np.ones(len(places[0])), places), shape)
        counts.data[:] = 1
        blocks.append(counts)
    return sparse.vstack(blocks, format="csr")


def length_factors(documents: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the factor of each document's sum of weights, float64 ``[documents]``.

    A sum grows with the length of a text faster than the evidence in it, because the
    n-grams of a text depend on each other: long texts would have too certain answers.
    """
    lengths = np.array([len(ids) for ids in documents], np.float64)
    factors: np.ndarray = 1.0 / np.sqrt(1.0 + lengths / SHORT_TEXT)
    return factors


def _blocks(documents: Sequence[np.ndarray]) -> Iterator[Sequence[np.ndarray]]:
    """Yields successive documents, some tens of thousands of tokens at a time."""
    ends = np.cumsum([len(ids) for ids in documents])
    starts = np.flatnonzero(_is_new(ends // _TOKENS_A_BLOCK))
    for start, end in pairwise([*starts, len(documents)]):
        yield documents[start:end]


def _is_new(values: np.ndarray) -> np.ndarray:
    """Returns True for each value unlike the one before it."""
    is_new = np.ones(len(values), bool)
    is_new[1:] = values[1:] != values[:-1]
    return is_new
