"""Splits documents into train, eval and test, by hash of a key or by position."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate, pairwise

import numpy as np

from textmill.components.artifacts import SPLITS
from textmill.components.ingester.sampling.config import SplitConfig

ENOUGH_FOR_TEST = 1000
"""Documents from which on a data set has a test split by default."""


class Splitter:
    """Assigns splits by SHA-256 modulo the least power of ten for the shares."""

    def __init__(self, config: SplitConfig) -> None:
        shares = [Fraction(repr(float(share))) for share in config.shares]
        self.num_buckets = 1
        while any((share * self.num_buckets).denominator > 1 for share in shares):
            self.num_buckets *= 10
        bounds = accumulate(int(share * self.num_buckets) for share in shares)
        self._bounds = list(bounds)
        # Shares may add up to 1 but for a rounding error, which the last split gets.
        last = max(i for i, share in enumerate(shares) if share)
        self._bounds[last:] = [self.num_buckets] * (len(shares) - last)

    def split_of(self, key: str) -> int:
        """Returns the index in SPLITS of a key."""
        digest = hashlib.sha256(key.encode()).digest()
        return bisect_right(
            self._bounds, int.from_bytes(digest, "big") % self.num_buckets
        )

    def split_text(self, text: str) -> Iterator[tuple[int, str]]:
        """Yields split and text of the parts by position, without empty ones."""
        ends = [bound * len(text) // self.num_buckets for bound in self._bounds]
        for split, (begin, end) in enumerate(pairwise([0, *ends])):
            if begin < end:
                yield split, text[begin:end]


def draw_eval(rows: np.ndarray, share: float) -> None:
    """Moves a share of train to eval, where a source has no eval of its own."""
    if (rows["split"] == SPLITS.index("eval")).any():
        return
    draw = (rows["order"] >> np.uint64(11)) * 2.0**-53
    moved = (rows["split"] == SPLITS.index("train")) & (draw < share)
    rows["split"][moved] = SPLITS.index("eval")


def fold_test(rows: np.ndarray) -> None:
    """Moves test to eval in a small data set: train stays as it is when data is added.

    Args:
        rows: of INDEX, in place.
    """
    if len(rows) < ENOUGH_FOR_TEST:
        is_test = rows["split"] == SPLITS.index("test")
        rows["split"][is_test] = SPLITS.index("eval")
