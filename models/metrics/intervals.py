"""95 % intervals of metrics, by formula or by a seeded bootstrap."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

_Z = 1.959963984540054
_RESAMPLES = 1000
_ROWS_A_BLOCK = 4096

Interval = dict[str, float]


def wilson(hits: float, total: float) -> Interval:
    """Returns a proportion with Wilson's score interval (Wilson, 1927)."""
    if total == 0:
        return {"value": 0.0, "low": 0.0, "high": 1.0}
    share, z2 = hits / total, _Z * _Z
    center = (share + z2 / (2 * total)) / (1 + z2 / total)
    spread = share * (1 - share) / total + z2 / (4 * total * total)
    half = _Z * math.sqrt(spread) / (1 + z2 / total)
    low, high = max(0.0, center - half), min(1.0, center + half)
    return {"value": share, "low": min(low, share), "high": max(high, share)}


def bootstrap_counts(
    counts: np.ndarray, metric: Callable[[np.ndarray], np.ndarray], *, seed: int
) -> list[Interval]:
    """Returns metrics of counts with percentile bootstrap intervals.

    Args:
        counts: rows in each cell, int ``[cells]``.
        metric: maps counts ``[..., cells]`` to values ``[..., n]``.
        seed: seed of the resamples.
    """
    total = int(counts.sum())
    generator = np.random.Generator(np.random.PCG64([seed, 1]))
    resamples = generator.multinomial(total, counts / total, _RESAMPLES)
    return _percentiles(metric(counts), metric(resamples))


def bootstrap_ratio(top: np.ndarray, bottom: np.ndarray, *, seed: int) -> Interval:
    """Returns ``sum(top) / sum(bottom)`` over rows with its bootstrap interval."""
    return bootstrap_sums(
        np.stack([top, bottom]),
        lambda sums: sums[..., 0] / np.maximum(sums[..., 1], 1e-12),
        seed=seed,
    )


def bootstrap_sums(
    statistics: np.ndarray, metric: Callable[[np.ndarray], np.ndarray], *, seed: int
) -> Interval:
    """Returns a function of sums over rows with its percentile bootstrap interval.

    Poisson(1) counts approximate resampling with replacement and need one pass
    (Hanley and MacGibbon, 2006).

    Args:
        statistics: float64 ``[statistics, rows]``.
        metric: maps sums ``[..., statistics]`` to values ``[...]``.
        seed: seed of the resamples.
    """
    generator = np.random.Generator(np.random.PCG64([seed, 2]))
    num_statistics, num_rows = statistics.shape
    sums = np.zeros((_RESAMPLES, num_statistics))
    for start in range(0, num_rows, _ROWS_A_BLOCK):
        block = statistics[:, start : start + _ROWS_A_BLOCK]
        counts = generator.poisson(1.0, (_RESAMPLES, block.shape[1]))
        sums += counts.astype(np.float64) @ block.T
    value = metric(statistics.sum(axis=1))
    return _percentiles(np.array([value]), metric(sums)[:, None])[0]


def bootstrap_rows(
    statistics: np.ndarray, metric: Callable[[np.ndarray], float], *, seed: int
) -> Interval:
    """Returns a metric of all rows with its percentile bootstrap interval.

    Args:
        statistics: ``[statistics, rows]``.
        metric: maps ``[statistics, rows]`` to a value.
        seed: seed of the resamples.
    """
    generator = np.random.Generator(np.random.PCG64([seed, 3]))
    size = statistics.shape[1]
    resampled = [
        metric(statistics[:, generator.integers(size, size=size)])
        for _ in range(_RESAMPLES)
    ]
    value = np.array([metric(statistics)])
    return _percentiles(value, np.array(resampled)[:, None])[0]


def _percentiles(values: np.ndarray, resampled: np.ndarray) -> list[Interval]:
    low, high = np.percentile(resampled, [2.5, 97.5], axis=0)
    return [
        {"value": float(v), "low": float(min(a, v)), "high": float(max(b, v))}
        for v, a, b in zip(values, low, high, strict=True)
    ]
