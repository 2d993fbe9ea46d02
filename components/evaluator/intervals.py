"""Intervals: 95 % bounds of every metric, by formula or by seeded bootstrap."""

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


def bootstrap_confusion(
    confusion: np.ndarray, metric: Callable[[np.ndarray], np.ndarray], *, seed: int
) -> list[Interval]:
    """Returns metrics of a confusion matrix with percentile bootstrap intervals.

    Args:
        confusion: counts ``[true, predicted]``.
        metric: maps matrices ``[..., labels, labels]`` to values ``[..., n]``.
        seed: of the resamples.
    """
    total = int(confusion.sum())
    generator = np.random.Generator(np.random.PCG64([seed, 1]))
    draws = generator.multinomial(total, confusion.ravel() / total, _RESAMPLES)
    resampled = metric(draws.reshape(-1, *confusion.shape))
    return _percentiles(metric(confusion), resampled)


def bootstrap_ratio(top: np.ndarray, bottom: np.ndarray, *, seed: int) -> Interval:
    """Returns ``sum(top) / sum(bottom)`` over rows with its bootstrap interval."""
    generator = np.random.Generator(np.random.PCG64([seed, 2]))
    sums = np.zeros((2, _RESAMPLES))
    # Poisson(1) counts approach resampling with replacement and need no second pass.
    for start in range(0, len(top), _ROWS_A_BLOCK):
        block = slice(start, start + _ROWS_A_BLOCK)
        counts = generator.poisson(1.0, (_RESAMPLES, len(top[block])))
        sums += np.stack([counts @ top[block], counts @ bottom[block]])
    value = np.array([top.sum() / bottom.sum()])
    resampled = sums[0] / np.maximum(sums[1], 1e-12)
    return _percentiles(value, resampled[:, None])[0]


def _percentiles(values: np.ndarray, resampled: np.ndarray) -> list[Interval]:
    low, high = np.percentile(resampled, [2.5, 97.5], axis=0)
    return [
        {"value": float(v), "low": float(min(a, v)), "high": float(max(b, v))}
        for v, a, b in zip(values, low, high, strict=True)
    ]
