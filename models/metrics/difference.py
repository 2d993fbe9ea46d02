"""Differences between two models' metrics over the same rows, with intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from textmill.models.metrics.intervals import Interval
from textmill.models.metrics.metric import Metric, PredictionFacts

_RESAMPLES = 1000


def paired_differences(
    metrics: Mapping[str, Metric],
    first: Mapping[str, np.ndarray],
    second: Mapping[str, np.ndarray],
    facts: PredictionFacts,
    *,
    seed: int,
) -> dict[str, Interval]:
    """Returns the first model's metrics minus the second's, with 95 % bounds.

    A resample takes the same rows of both, so that rows which are hard for both models
    do not widen the interval. Poisson(1) counts approximate drawing with replacement.

    Args:
        metrics: by name.
        first: statistics ``[statistics, rows]`` of the first model by metric.
        second: those of the second model, over the same rows in the same order.
        facts: facts about both models' predictions.
        seed: seed of the resamples.
    """
    [num_rows] = {statistics.shape[1] for statistics in first.values()}
    generator = np.random.Generator(np.random.PCG64([seed, 4]))
    samples = [np.ones(num_rows, np.int64)]
    samples += [generator.poisson(1.0, num_rows) for _ in range(_RESAMPLES)]
    differences = {}
    for name, metric in metrics.items():
        of_samples = [
            metric.resampled(first[name], counts, facts)
            - metric.resampled(second[name], counts, facts)
            for counts in samples
        ]
        low, high = np.percentile(of_samples[1:], [2.5, 97.5])
        value = of_samples[0]
        differences[name] = {
            "value": value,
            "low": float(min(low, value)),
            "high": float(max(high, value)),
        }
    return differences
