"""Splitting: which split a document falls into, by a hash of its key or by position."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate, pairwise

from textmill.components.artifacts import SPLITS
from textmill.components.ingester.sampling.config import SplitConfig


class Splitter:
    """Gives a split to a key: SHA-256 modulo the smallest power of ten that fits."""

    def __init__(self, config: SplitConfig) -> None:
        shares = [Fraction(repr(share)) for share in _shares(config)]
        self.num_buckets = 1
        while any((share * self.num_buckets).denominator > 1 for share in shares):
            self.num_buckets *= 10
        bounds = accumulate(int(share * self.num_buckets) for share in shares)
        self._bounds = list(bounds)
        # Shares may miss 1 by a rounding error: the last split that has one takes it.
        last = max(i for i, share in enumerate(shares) if share)
        self._bounds[last:] = [self.num_buckets] * (len(shares) - last)

    def split_of(self, key: str) -> int:
        """Returns the index in SPLITS of a key."""
        digest = hashlib.sha256(key.encode()).digest()
        return bisect_right(
            self._bounds, int.from_bytes(digest, "big") % self.num_buckets
        )

    def cut(self, text: str) -> Iterator[tuple[int, str]]:
        """Yields the parts of a text by position, without empty ones."""
        ends = [bound * len(text) // self.num_buckets for bound in self._bounds]
        for split, (begin, end) in enumerate(pairwise([0, *ends])):
            if begin < end:
                yield split, text[begin:end]


def _shares(config: SplitConfig) -> tuple[float, ...]:
    return tuple(float(getattr(config, split)) for split in SPLITS)
