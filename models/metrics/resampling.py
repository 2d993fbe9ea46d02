"""Bootstrap resamples of rows, or of groups of rows that belong together.

Rows of one group (paragraphs of a book, posts of an author) resemble each other, so a
split holds fewer independent observations than rows. Drawing whole groups keeps this in
the interval (Davison and Hinkley, 1997, section 3.8).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special

from textmill.models.metrics.intervals import Interval

RESAMPLES = 1000
_DRAWS_A_BLOCK = 64
_CELLS_A_BLOCK = 1 << 21


@dataclass(frozen=True)
class Resamples:
    """Draws with replacement, the same ones whenever they are iterated.

    Attributes:
        num_rows: rows of the split.
        groups: the group of each row, int ``[rows]`` from 0; None draws single rows, as
            does one group of all rows.
        seed: seed of the draws.
    """

    num_rows: int
    groups: np.ndarray | None = None
    seed: int = 17

    @property
    def has_groups(self) -> bool:
        """True if groups are drawn: there are two or more."""
        return self.groups is not None and bool(self.groups.any())

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yields how often each row was drawn, float64 ``[draws, rows]``."""
        block = _CELLS_A_BLOCK // max(1, self.num_rows)
        block = min(max(1, block), _DRAWS_A_BLOCK)
        draw = self._draw_groups() if self.has_groups else self._draw_rows()
        for start in range(0, RESAMPLES, block):
            yield draw(min(block, RESAMPLES - start))

    def map(self, values: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Returns the values of all draws, ``[RESAMPLES, ...]``.

        Args:
            values: maps ``[draws, rows]`` to ``[draws, ...]``.
        """
        return np.concatenate([values(counts) for counts in self])

    def bounds(self, resampled: np.ndarray) -> np.ndarray:
        """Returns the lower and upper 95 % bounds of all draws, ``[2, ...]``.

        With groups, the percentiles are moved outwards as Student's distribution of
        their number is wider than the normal one (Hesterberg, 2015, section 5.3).
        """
        levels = np.array([2.5, 97.5])
        if self.has_groups:
            assert self.groups is not None
            num_groups = int(self.groups.max()) + 1
            quantile = special.stdtrit(num_groups - 1, 0.975)
            quantile *= math.sqrt(num_groups / (num_groups - 1))
            levels = 100 * special.ndtr([-quantile, quantile])
        bounds: np.ndarray = np.percentile(resampled, levels, axis=0)
        return bounds

    def _draw_rows(self) -> Callable[[int], np.ndarray]:
        """Poisson(1) counts approximate drawing with replacement."""
        generator = np.random.Generator(np.random.PCG64([self.seed, 4]))
        return lambda num: generator.poisson(1.0, (num, self.num_rows)).astype(float)

    def _draw_groups(self) -> Callable[[int], np.ndarray]:
        assert self.groups is not None
        groups, num_groups = self.groups, int(self.groups.max()) + 1
        generator = np.random.Generator(np.random.PCG64([self.seed, 5]))

        def draw(num: int) -> np.ndarray:
            drawn = generator.integers(num_groups, size=(num, num_groups))
            counts = [np.bincount(one, minlength=num_groups) for one in drawn]
            return np.stack(counts)[:, groups].astype(float)  # [draws, rows]

        return draw


def group_codes(values: np.ndarray) -> np.ndarray:
    """Returns the number of each value's group, from 0, int ``[rows]``."""
    codes: np.ndarray = np.unique(values, return_inverse=True)[1]
    return codes


def widen(interval: Interval, low: float, high: float) -> Interval:
    """Returns an interval that reaches to other bounds too."""
    return {
        "value": interval["value"],
        "low": float(min(interval["low"], low)),
        "high": float(max(interval["high"], high)),
    }
