"""Near duplicates: MinHash of n-gram hashes, and their bands.

Documents of Jaccard similarity s share a band with probability 1 - (1 - s^r)^b for b
bands of r hashes each (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive
Datasets, section 3.4).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise

import numpy as np

from textmill.models.hashing import mix64, odd_constant

NO_KEY = np.uint64(0)
"""The band key of a document without n-grams; it is like no other document."""

_CHUNK_VALUES = 1 << 15
_NO_MINIMUM = np.uint64(0xFFFFFFFFFFFFFFFF)
_BAND = odd_constant("band")

Verify = Callable[[np.ndarray], np.ndarray]
"""Pairs of document indices, int64 [m, 2], to whether each is a true pair, bool [m]."""


def near_keys(
    values: np.ndarray, splits: np.ndarray, *, bands: int, hashes: int
) -> np.ndarray:
    """Returns the band keys of documents given their n-grams; uint64 [n, bands].

    The same as ``band_keys(signatures(...))``, in bounded memory.
    """
    keys = np.empty((len(splits) - 1, bands), np.uint64)
    for begin, end in _chunks(splits):
        some = _signatures(values, splits[begin : end + 1], bands * hashes)
        keys[begin:end] = band_keys(some, bands)
    return keys


def signatures(
    values: np.ndarray, splits: np.ndarray, *, bands: int, hashes: int
) -> np.ndarray:
    """Returns the MinHash of documents; uint64 [n, bands * hashes].

    Hash k of a document is the least a_k x + b_k (mod 2^64, a_k odd: a permutation) of
    its n-grams x; the numbers are constants. A document without any has all bits set.
    """
    minima = np.empty((len(splits) - 1, bands * hashes), np.uint64)
    for begin, end in _chunks(splits):
        minima[begin:end] = _signatures(values, splits[begin : end + 1], bands * hashes)
    return minima


def band_keys(signatures: np.ndarray, bands: int) -> np.ndarray:
    """Hashes each band of signatures; uint64 [n, bands], ``NO_KEY`` without n-grams."""
    num_documents, num_hashes = signatures.shape
    rows = num_hashes // bands
    keys = np.empty((num_documents, bands), np.uint64)
    for band in range(bands):
        key = np.full(num_documents, band, np.uint64)
        for column in range(band * rows, (band + 1) * rows):
            key = mix64(key ^ signatures[:, column]) * _BAND
        keys[:, band] = np.maximum(mix64(key), np.uint64(1))
    keys[(signatures == _NO_MINIMUM).all(axis=1)] = NO_KEY
    return keys


def jaccard(values_a: np.ndarray, values_b: np.ndarray) -> float:
    """Returns the share of two sorted sets of hashes that is in both; 0 if empty."""
    both = len(np.intersect1d(values_a, values_b, assume_unique=True))
    either = len(values_a) + len(values_b) - both
    return both / either if either else 0.0


def at_least(
    threshold: float, sets: Callable[[int], np.ndarray], *, num_held: int = 4096
) -> Verify:
    """Returns a check that the Jaccard similarity of pairs reaches a threshold.

    Args:
        threshold: the least similarity.
        sets: gives the sorted unique n-gram hashes of a document by its index.
        num_held: so many sets are remembered.
    """
    held = lru_cache(maxsize=num_held)(sets)

    def verify(pairs: np.ndarray) -> np.ndarray:
        similar = (jaccard(held(a), held(b)) >= threshold for a, b in pairs.tolist())
        return np.fromiter(similar, bool, len(pairs))

    return verify


def _chunks(splits: np.ndarray) -> list[tuple[int, int]]:
    """Cuts documents into ranges of about so many n-grams as fit a cache."""
    bounds = np.arange(splits[0], splits[-1], _CHUNK_VALUES)
    begins = np.unique(np.append(np.searchsorted(splits, bounds), len(splits) - 1))
    begins = [0, *(begin for begin in begins.tolist() if begin)]
    return list(pairwise(begins))


def _signatures(values: np.ndarray, splits: np.ndarray, num_hashes: int) -> np.ndarray:
    """Returns a view of shape [documents, hashes] that is laid out hash by hash."""
    minima = np.full((num_hashes, len(splits) - 1), _NO_MINIMUM)
    full = np.flatnonzero(np.diff(splits))
    if not len(full):
        return minima.T
    values = values[splits[0] : splits[-1]]
    begins = splits[full] - splits[0]
    permuted = np.empty_like(values)
    for row, (factor, term) in zip(minima, _permutations(num_hashes), strict=True):
        np.multiply(values, factor, out=permuted)
        permuted += term
        row[full] = np.minimum.reduceat(permuted, begins)
    return minima.T


@lru_cache(maxsize=8)
def _permutations(count: int) -> list[tuple[int, int]]:
    return [
        (odd_constant(f"factor {k}"), odd_constant(f"term {k}")) for k in range(count)
    ]
