"""Differences between two models' metrics over the same rows, with intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from textmill.models.metrics.intervals import Interval
from textmill.models.metrics.metric import Metric, PredictionFacts
from textmill.models.metrics.resampling import Resamples, widen


def paired_differences(
    metrics: Mapping[str, Metric],
    first: Mapping[str, np.ndarray],
    second: Mapping[str, np.ndarray],
    facts: PredictionFacts,
    *,
    groups: np.ndarray | None = None,
    seed: int,
) -> dict[str, Interval]:
    """Returns the first model's metrics minus the second's, with 95 % bounds.

    A resample takes the same rows of both, so that rows which are hard for both models
    do not widen the interval. With groups, it is never narrower than without.

    Args:
        metrics: by name.
        first: statistics ``[statistics, rows]`` of the first model by metric.
        second: those of the second model, over the same rows in the same order.
        facts: facts about both models' predictions.
        groups: the group of each row, from 0; None for independent rows.
        seed: seed of the resamples.
    """
    [num_rows] = {statistics.shape[1] for statistics in first.values()}

    def differences(counts: np.ndarray) -> np.ndarray:
        columns = [
            metric.resampled(first[name], counts, facts)
            - metric.resampled(second[name], counts, facts)
            for name, metric in metrics.items()
        ]
        return np.stack(columns, axis=1)  # [draws, metrics]

    [values] = differences(np.ones((1, num_rows)))
    intervals = [dict.fromkeys(("value", "low", "high"), float(v)) for v in values]
    drawings = [Resamples(num_rows, None, seed), Resamples(num_rows, groups, seed)]
    for resamples in drawings if drawings[1].has_groups else drawings[:1]:
        lows, highs = resamples.bounds(resamples.map(differences))
        intervals = [
            widen(*bounds) for bounds in zip(intervals, lows, highs, strict=True)
        ]
    return dict(zip(metrics, intervals, strict=True))
