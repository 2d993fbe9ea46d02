"""Near duplicates: MinHash of n-gram hashes, bands, and clusters of documents.

Documents of Jaccard similarity s share a band with probability 1 - (1 - s^r)^b for b
bands of r hashes each (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive
Datasets, section 3.4). Clusters are connected components, so that they do not depend on
the order of documents or bands.
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
    found = np.empty((len(splits) - 1, bands * hashes), np.uint64)
    for begin, end in _chunks(splits):
        found[begin:end] = _signatures(values, splits[begin : end + 1], bands * hashes)
    return found


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


class DuplicateClusters:
    """Documents joined one band at a time; a document is known by its index."""

    def __init__(self, num_documents: int) -> None:
        self._parents = np.arange(num_documents)
        self._rejected = np.zeros(0, np.int64)

    def join(self, keys: np.ndarray, present: np.ndarray | None = None) -> None:
        """Joins the documents whose keys are equal.

        Args:
            keys: one band; uint64 [n].
            present: which documents take part, bool [n]; those with a key if None.
        """
        members, splits = _groups(keys, present)
        if len(members):
            least = np.minimum.reduceat(members, splits[:-1])
            self._union(members, np.repeat(least, np.diff(splits)))

    def join_verified(
        self, keys: np.ndarray, verify: Verify, present: np.ndarray | None = None
    ) -> None:
        """Joins the documents whose keys are equal and that form a true pair.

        The clusters are the components of all true pairs with a common key: pairs are
        left out only if they were rejected in another band, or are joined already. So
        a group of documents that are alike costs one comparison a member, and a group
        of g documents that are not costs g(g-1)/2.
        """
        members, splits = _groups(keys, present)
        rejected = [self._rejected]
        while len(members):
            roots, sizes = self._find(members), np.diff(splits)
            first = np.repeat(splits[:-1], sizes)
            far = np.flatnonzero(roots != roots[first])
            pairs = np.stack([members[first[far]], members[far]], axis=1)
            pairs = pairs[~self._was_rejected(pairs)]
            true = verify(pairs)
            self._union(*pairs[true].T)
            rejected.append(self._code(pairs[~true]))
            members, splits = self._open_groups(members, splits)
        self._rejected = np.sort(np.concatenate(rejected))

    def labels(self) -> np.ndarray:
        """Returns the least index in each document's cluster; int64 [n]."""
        while True:
            above = self._parents[self._parents]
            if np.array_equal(above, self._parents):
                return above
            self._parents = above

    def _open_groups(
        self, members: np.ndarray, splits: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Takes away the first of every group, and groups that are joined by now."""
        roots, sizes = self._find(members), np.diff(splits)
        rest = np.ones(len(members), bool)
        rest[splits[:-1]] = False
        beyond = np.where(rest, roots, roots[np.repeat(splits[:-1] + 1, sizes)])
        least = np.minimum.reduceat(beyond, splits[:-1])
        most = np.maximum.reduceat(beyond, splits[:-1])
        keep = least != most
        members = members[rest & np.repeat(keep, sizes)]
        return members, np.append(0, np.cumsum(sizes[keep] - 1))

    def _code(self, pairs: np.ndarray) -> np.ndarray:
        low, high = np.minimum(*pairs.T), np.maximum(*pairs.T)
        return low * len(self._parents) + high

    def _was_rejected(self, pairs: np.ndarray) -> np.ndarray:
        codes = self._code(pairs)
        place = np.searchsorted(self._rejected, codes)
        return np.append(self._rejected, -1)[place] == codes

    def _find(self, documents: np.ndarray) -> np.ndarray:
        roots = self._parents[documents]
        while True:
            above = self._parents[roots]
            if np.array_equal(above, roots):
                break
            roots = above
        self._parents[documents] = roots
        return roots

    def _union(self, left: np.ndarray, right: np.ndarray) -> None:
        """Hooks the larger root of each pair to the least one, until none differ.

        A parent is less than its child, so there are no circles. In two rounds a root
        is hooked or takes in another: the rounds grow with the logarithm of the pairs.
        """
        while True:
            left, right = self._find(left), self._find(right)
            apart = left != right
            if not apart.any():
                return
            left, right = left[apart], right[apart]
            high, low = np.maximum(left, right), np.minimum(left, right)
            np.minimum.at(self._parents, high, low)


def _groups(
    keys: np.ndarray, present: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the indices of documents that share a key, group by group, and splits."""
    taking_part = np.flatnonzero(keys if present is None else present)
    keys = keys[taking_part]
    order = np.argsort(keys)
    keys = keys[order]
    new = np.ones(len(keys) + 1, bool)
    np.not_equal(keys[1:], keys[:-1], out=new[1:-1])
    begins = np.flatnonzero(new)
    sizes = np.diff(begins)
    shared = np.repeat(sizes > 1, sizes)
    splits = np.append(0, np.cumsum(sizes[sizes > 1]))
    return taking_part[order[shared]], splits


def _chunks(splits: np.ndarray) -> list[tuple[int, int]]:
    """Cuts documents into ranges of about so many n-grams as fit a cache."""
    bounds = np.arange(splits[0], splits[-1], _CHUNK_VALUES)
    begins = np.unique(np.append(np.searchsorted(splits, bounds), len(splits) - 1))
    begins = [0, *(begin for begin in begins.tolist() if begin)]
    return list(pairwise(begins))


def _signatures(values: np.ndarray, splits: np.ndarray, num_hashes: int) -> np.ndarray:
    """Returns a view of shape [documents, hashes] that is laid out hash by hash."""
    found = np.full((num_hashes, len(splits) - 1), _NO_MINIMUM)
    full = np.flatnonzero(np.diff(splits))
    if not len(full):
        return found.T
    values = values[splits[0] : splits[-1]]
    begins = splits[full] - splits[0]
    permuted = np.empty_like(values)
    for row, (factor, term) in zip(found, _permutations(num_hashes), strict=True):
        np.multiply(values, factor, out=permuted)
        permuted += term
        row[full] = np.minimum.reduceat(permuted, begins)
    return found.T


@lru_cache(maxsize=8)
def _permutations(count: int) -> list[tuple[int, int]]:
    return [
        (odd_constant(f"factor {k}"), odd_constant(f"term {k}")) for k in range(count)
    ]
