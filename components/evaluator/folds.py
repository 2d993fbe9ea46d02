"""Metrics of out-of-fold predictions: of all folds together, and of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from textmill.components.artifacts import OUT_OF_FOLD, Predictions
from textmill.components.evaluator.rows import MeasuredRows, measure_rows
from textmill.models.metrics.metric import Metric


def measure_folds(
    predictions: Predictions, metrics: Mapping[str, Metric], *, seed: int
) -> dict[str, Any]:
    """Returns rows and metrics of all folds, metrics by fold, and their spread.

    The spread is the standard deviation over folds, with one degree of freedom less
    than there are folds. It is not an error of the mean: the models of folds share
    most of their documents (Bengio and Grandvalet, 2004).
    """
    folds: list[np.ndarray] = []

    def chunks() -> Iterator[dict[str, Any]]:
        for chunk in predictions.read_groups(OUT_OF_FOLD):
            folds.append(chunk["fold"])
            yield chunk

    rows = measure_rows(predictions, metrics, chunks())
    fold = np.concatenate(folds)
    by_fold = {
        str(number): _measure_part(rows, fold == number, metrics, seed)
        for number in np.unique(fold).tolist()
    }
    return {
        "rows": len(fold),
        "metrics": {
            name: metrics[name].interval_of_groups(
                values, rows.facts, groups=rows.groups, seed=seed
            )
            for name, values in rows.statistics.items()
        },
        "by_fold": by_fold,
        "spread": {
            name: float(np.std([f["metrics"][name] for f in by_fold.values()], ddof=1))
            for name in rows.statistics
        },
    }


def _measure_part(
    rows: MeasuredRows, mask: np.ndarray, metrics: Mapping[str, Metric], seed: int
) -> dict[str, Any]:
    """Returns the number of masked rows, and the values of their metrics."""
    parts = {
        name: np.ascontiguousarray(values[:, mask])
        for name, values in rows.statistics.items()
    }
    return {
        "rows": int(mask.sum()),
        "metrics": {
            name: metrics[name].interval(part, rows.facts, seed=seed)["value"]
            for name, part in parts.items()
        },
    }
