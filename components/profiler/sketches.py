"""Mergeable counts: the same totals however documents are divided among workers.

All are NumPy arrays, with one entry per document or distinct word.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

MAX_TERMS = 20_000
"""Largest number of distinct terms that a shard reports, most frequent first."""
SKETCH_SIZE = 1 << 18
_MAX_HELD_TERMS = 1 << 20
_NOTHING = np.empty(0, np.uint64)


@dataclass
class LengthHistogram:
    """Number of documents by length; exact."""

    values: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    counts: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    @classmethod
    def of(cls, lengths: np.ndarray) -> LengthHistogram:
        """Counts lengths, int64 ``[num documents]``."""
        return cls(*np.unique(lengths.astype(np.int64), return_counts=True))

    def __add__(self, other: LengthHistogram) -> LengthHistogram:
        return LengthHistogram(
            *_add_up(
                np.concatenate([self.values, other.values]),
                np.concatenate([self.counts, other.counts]),
            )
        )

    @property
    def total(self) -> int:
        """The sum of all lengths."""
        return int(self.values @ self.counts)

    def percentile(self, percent: float) -> int:
        """Returns the smallest length that is not exceeded by this share of documents.

        The nearest-rank definition: the result is always the length of a document.
        """
        reached = np.cumsum(self.counts)
        rank = max(1, math.ceil(percent / 100 * reached[-1]))
        return int(self.values[np.searchsorted(reached, rank)])

    def histogram(self, edges: Sequence[int]) -> list[int]:
        """Counts documents by bin; bin i holds ``edges[i] <= length < edges[i + 1]``.

        The last bin is open.
        """
        bins = np.searchsorted(np.asarray(edges), self.values, side="right") - 1
        return np.bincount(bins, self.counts, len(edges)).astype(int).tolist()

    def outside(self, low: int, high: int) -> tuple[int, int]:
        """Counts the documents shorter than ``low`` and longer than ``high``."""
        shorter, longer = self.values < low, self.values > high
        return int(self.counts[shorter].sum()), int(self.counts[longer].sum())


def _add_up(keys: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns sorted unique keys and the sums of their counts."""
    order = np.argsort(keys)
    keys, counts = keys[order], counts[order]
    first = _changes(keys)
    return keys[first], (np.add.reduceat(counts, first) if len(first) else counts)


def _changes(ordered: np.ndarray) -> np.ndarray:
    """Returns the index of the first occurrence of each value in a sorted array."""
    is_first = np.empty(len(ordered), bool)
    is_first[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return np.flatnonzero(is_first)


class TopTerms:
    """Counts of the most frequent terms, by hash.

    ``total`` counts all occurrences; rare terms are dropped once there are too many.
    """

    def __init__(self) -> None:
        self.hashes, self.counts = _NOTHING, np.empty(0, np.int64)
        self.total = 0
        self._spellings: dict[int, str] = {}
        self._pending: list[tuple[np.ndarray, np.ndarray]] = []
        self._num_pending = 0

    def add(self, hashes: np.ndarray, spell: Callable[[int], str]) -> None:
        """Counts occurrences.

        Args:
            hashes: uint64 ``[num occurrences]``.
            spell: returns the term of an index into ``hashes``.
        """
        if not len(hashes):
            return
        order = np.argsort(hashes)
        ordered = hashes[order]
        changes = _changes(ordered)
        unique, first = ordered[changes], order[changes]
        counts = np.diff(np.append(changes, len(ordered)))
        spellings = self._spellings
        for key, index in zip(unique.tolist(), first.tolist(), strict=True):
            if key not in spellings:
                spellings[key] = spell(index)
        self.total += len(hashes)
        self._pending.append((unique, counts))
        self._num_pending += len(unique)
        if self._num_pending > max(1 << 18, len(self.hashes)):
            self._settle(_MAX_HELD_TERMS)

    def _settle(self, limit: int) -> None:
        """Adds pending counts, and drops all but the ``limit`` most frequent terms."""
        pending = [(self.hashes, self.counts), *self._pending]
        hashes, counts = (np.concatenate(part) for part in zip(*pending, strict=True))
        self.hashes, self.counts = _add_up(hashes, counts)
        self._pending, self._num_pending = [], 0
        if len(self.hashes) > limit:
            threshold = np.partition(self.counts, -limit)[-limit]
            # Ties are broken by hash: the same for every order of reading.
            top = np.lexsort((self.hashes, -self.counts))[:limit]
            top = np.sort(top[self.counts[top] >= threshold])
            self.hashes, self.counts = self.hashes[top], self.counts[top]
        spellings = self._spellings
        if len(spellings) > len(self.hashes):
            self._spellings = {key: spellings[key] for key in self.hashes.tolist()}

    def seal(self, limit: int = MAX_TERMS) -> None:
        """Drops all but the most frequent terms."""
        self._settle(limit)

    def merge(self, other: TopTerms) -> None:
        """Adds the sealed counts of another."""
        hashes = np.concatenate([self.hashes, other.hashes])
        counts = np.concatenate([self.counts, other.counts])
        self.hashes, self.counts = _add_up(hashes, counts)
        self.total += other.total
        self._spellings |= other._spellings

    def ranked(self) -> list[tuple[str, int]]:
        """Returns terms and counts, the most frequent first, then by spelling."""
        pairs = zip(self.hashes.tolist(), self.counts.tolist(), strict=True)
        terms = [(self._spellings[key], count) for key, count in pairs]
        return sorted(terms, key=lambda term: (-term[1], term[0]))


class BottomKSketch:
    """The smallest hashes of a multiset, with their counts: exact while there are few.

    Bottom-k sampling (Beyer et al. 2007): every set is sampled by the same hash, so
    that two samples can be compared below the smaller of their bounds. A hash that is
    among the smallest of all is among those of every part, so its count is exact.
    """

    def __init__(self) -> None:
        self._hashes, self._counts = _NOTHING, np.empty(0, np.int64)
        self._pending: list[np.ndarray] = []
        self._num_pending = 0

    @property
    def hashes(self) -> np.ndarray:
        """The sample, sorted, uint64."""
        self._settle()
        return self._hashes

    @property
    def bound(self) -> int:
        """Upper bound of the hashes of which the sample is complete."""
        is_full = len(self.hashes) == SKETCH_SIZE
        return int(self.hashes[-1]) if is_full else 1 << 64

    def add(self, hashes: np.ndarray) -> None:
        """Takes uint64 hashes, each as often as it occurs."""
        if len(self._hashes) == SKETCH_SIZE:
            hashes = hashes[hashes <= self._hashes[-1]]
        self._pending.append(hashes)
        self._num_pending += len(hashes)
        if self._num_pending > SKETCH_SIZE:
            self._settle()

    def merge(self, other: BottomKSketch) -> None:
        """Adds the counts of another."""
        self._settle()
        self._merge(other.hashes, other._counts)

    def _settle(self) -> None:
        if not self._pending:
            return
        # np.unique uses a hash table, which takes ten times as long.
        ordered = np.sort(np.concatenate(self._pending))
        self._pending, self._num_pending = [], 0
        first = _changes(ordered)
        self._merge(ordered[first], np.diff(np.append(first, len(ordered))))

    def _merge(self, hashes: np.ndarray, counts: np.ndarray) -> None:
        hashes, counts = _add_up(
            np.concatenate([self._hashes, hashes]),
            np.concatenate([self._counts, counts]),
        )
        self._hashes, self._counts = hashes[:SKETCH_SIZE], counts[:SKETCH_SIZE]

    def share_in(self, other: BottomKSketch) -> float | None:
        """Estimates the share of this multiset's items that another has, None if empty.

        Equal to the share that decontamination computes, as long as both are exact.
        """
        bound = min(self.bound, other.bound)
        size = len(self._hashes)
        if bound < 1 << 64:
            size = int(np.searchsorted(self._hashes, np.uint64(bound)))
        if not size:
            return None
        hashes, counts = self._hashes[:size], self._counts[:size]
        shared = np.isin(hashes, other.hashes, assume_unique=True)
        return int(counts[shared].sum()) / int(counts.sum())
