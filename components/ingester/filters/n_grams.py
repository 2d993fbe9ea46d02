"""Repeated n-grams: the number of a text's characters in them.

Bounds come first, as most documents are far from every threshold: a repeated n-gram is
made of repeated pairs, so only runs of such pairs are examined.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from itertools import pairwise

import numpy as np

from textmill.models.hashing import GOLDEN, splitmix64

_FEW_WORDS = 400
"""Below, a loop over tuples is faster than numpy's fixed cost."""


class NGrams:
    """The n-grams of one document's words; with spaces, one stands between words."""

    def __init__(self, words: list[str], *, spaces: bool) -> None:
        self._words = words
        self._space = int(spaces)
        self._top_pair_chars, self._pairs = (
            self._few_pairs() if len(words) <= _FEW_WORDS else self._many_pairs()
        )
        self._hashed: tuple[int, np.ndarray, np.ndarray] | None = None

    @property
    def has_repeated_pairs(self) -> bool:
        """Returns whether a pair of words occurs twice."""
        return self._top_pair_chars > 0

    def top_chars(self, n: int, *, above: float) -> int:
        """Returns the characters of the most frequent n-gram, the longest of equals.

        0 if none occurs twice, or if what it returns cannot be above a bound.
        """
        # n words are half as many pairs, each of which occurs as often or more.
        if -(-n // 2) * self._top_pair_chars <= above or not self._may_repeat(n):
            return 0
        words = self._words
        counts = Counter(zip(*(words[i:] for i in range(n)), strict=False))
        top = max(counts.values())
        if top < 2:
            return 0
        longest = max(
            sum(map(len, n_gram)) for n_gram, count in counts.items() if count == top
        )
        return top * (longest + self._space * (n - 1))

    def covered_chars(self, n: int) -> int:
        """Returns the characters that n-grams cover that occurred before, or more."""
        if not self._may_repeat(n):
            return 0
        positions, hashes = self._candidates(n)
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        again = positions[order[1:][ordered[1:] == ordered[:-1]]]
        steps = np.zeros(len(self._words) + 1, np.int64)
        steps[again] += 1
        np.add.at(steps, again + n, -1)
        covered = np.cumsum(steps[:-1]) > 0
        return int(self._sizes[covered].sum())

    def repeated_chars(self, n: int) -> int:
        """Returns the characters of n-grams that occurred before, without overlaps."""
        if not self._may_repeat(n):
            return 0
        positions, hashes = self._candidates(n)
        ends = np.concatenate([[0], np.cumsum(self._sizes)])
        sizes = (ends[positions + n] - ends[positions] - self._space).tolist()
        seen: set[int] = set()
        num_chars = following = 0
        for i, value, size in zip(
            positions.tolist(), hashes.tolist(), sizes, strict=True
        ):
            if i < following:
                continue
            if value in seen:
                num_chars += size
                following = i + n
            else:
                seen.add(value)
        return num_chars

    def _may_repeat(self, n: int) -> bool:
        """Returns whether there are n - 1 repeated pairs in a row."""
        return b"\1" * (n - 1) in self._pairs

    def _few_pairs(self) -> tuple[int, bytes]:
        """Returns the bound of ``top_chars``, and a flag for each repeated pair.

        The bound is the greatest count x length of a pair, with a space to each word.
        """
        pairs = list(pairwise(self._words))
        counts = Counter(pairs)
        if len(counts) == len(pairs):
            return 0, b""
        often = {pair: count for pair, count in counts.items() if count > 1}
        spaces = 2 * self._space
        top = max(
            count * (len(first) + len(second) + spaces)
            for (first, second), count in often.items()
        )
        return top, bytes(map(often.__contains__, pairs))

    def _many_pairs(self) -> tuple[int, bytes]:
        num_unique = len(self._unique)
        codes = self._ids[:-1] * num_unique + self._ids[1:]
        order = np.argsort(codes, kind="stable")
        ordered = codes[order]
        begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        counts = np.diff(np.append(begins, len(codes)))
        first, second = np.divmod(ordered[begins], num_unique)
        sizes = self._unique_sizes[first] + self._unique_sizes[second]
        top = int((counts * sizes)[counts > 1].max(initial=0))
        again = np.zeros(len(codes), np.uint8)
        again[order] = np.repeat(counts > 1, counts)
        return top, again.tobytes()

    def _candidates(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the beginnings of n-grams of repeated pairs, and their hashes."""
        if self._hashed is not None and self._hashed[0] == n:
            return self._hashed[1:]
        counts = np.zeros(len(self._pairs) + 1, np.int64)
        np.cumsum(np.frombuffer(self._pairs, np.uint8), out=counts[1:])
        positions = np.flatnonzero(counts[n - 1 :] - counts[: -(n - 1)] == n - 1)
        hashes = np.zeros(len(positions), np.uint64)
        for i in range(n):
            hashes *= GOLDEN
            hashes += self._mixed[positions + i]
        self._hashed = n, positions, hashes
        return positions, hashes

    @cached_property
    def _unique(self) -> dict[str, int]:
        unique = dict.fromkeys(self._words)
        return dict(zip(unique, range(len(unique)), strict=True))

    @cached_property
    def _ids(self) -> np.ndarray:
        ids = map(self._unique.__getitem__, self._words)
        return np.fromiter(ids, np.int64, len(self._words))

    @cached_property
    def _unique_sizes(self) -> np.ndarray:
        """Characters of each word, and the space after it."""
        sizes = np.fromiter(map(len, self._unique), np.int64, len(self._unique))
        return sizes + self._space

    @cached_property
    def _sizes(self) -> np.ndarray:
        return self._unique_sizes[self._ids]

    @cached_property
    def _mixed(self) -> np.ndarray:
        """Hashes of the words' numbers, uint64 [words]."""
        return splitmix64(self._ids.astype(np.uint64))
