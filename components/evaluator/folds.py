"""Metrics of out-of-fold predictions: of all folds together, and of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from textmill.components.artifacts import Predictions
from textmill.models.metrics.metric import Metric, PredictedRows, PredictionFacts


def measure_folds(
    predictions: Predictions,
    metrics: Mapping[str, Metric],
    facts: PredictionFacts,
    *,
    seed: int,
) -> dict[str, Any]:
    """Returns rows and metrics of all folds, metrics by fold, and their spread.

    The spread is the standard deviation over folds, with one degree of freedom less
    than there are folds. It is not an error of the mean: the models of folds share
    most of their documents (Bengio and Grandvalet, 2004).
    """
    parts: dict[str, list[np.ndarray]] = {}
    folds: list[np.ndarray] = []
    for group in predictions.read_groups(predictions.OUT_OF_FOLD):
        rows = PredictedRows(group, facts)
        folds.append(group["fold"])
        for name, metric in metrics.items():
            if metric.applies(rows):
                parts.setdefault(name, []).append(metric.statistics(rows))
    fold = np.concatenate(folds)
    statistics = {name: np.concatenate(part, axis=1) for name, part in parts.items()}
    by_fold = {
        str(number): {
            "rows": int((fold == number).sum()),
            "metrics": {
                name: metrics[name].interval(
                    np.ascontiguousarray(values[:, fold == number]), facts, seed=seed
                )["value"]
                for name, values in statistics.items()
            },
        }
        for number in np.unique(fold).tolist()
    }
    return {
        "rows": len(fold),
        "metrics": {
            name: metrics[name].interval(values, facts, seed=seed)
            for name, values in statistics.items()
        },
        "by_fold": by_fold,
        "spread": {
            name: float(np.std([f["metrics"][name] for f in by_fold.values()], ddof=1))
            for name in statistics
        },
    }
