"""Precision, recall and F1 of the spans of every label."""

from __future__ import annotations

from typing import Any

import numpy as np

from textmill.components.artifacts import Predictions
from textmill.components.evaluator.rows import MeasuredRows
from textmill.models.metrics import METRICS
from textmill.models.metrics.metric import PredictedRows
from textmill.models.metrics.spans import counts_by_label

_METRICS = {"precision": "span_precision", "recall": "span_recall", "f1": "span_f1"}
_STATISTICS = {"precision": [0, 1], "recall": [0, 2], "f1": [0, 1, 2]}
"""Of equal, predicted and true spans, those that a metric adds up."""


def measure_labels(
    predictions: Predictions, rows: MeasuredRows, seed: int
) -> dict[str, Any]:
    """Returns ``labels`` and, by label, ``per_class``: three intervals, ``support``.

    Support is the number of the label's true spans.
    """
    parts = [
        counts_by_label(PredictedRows(chunk, rows.facts))
        for chunk in predictions.read_groups()
    ]
    counts = np.concatenate(parts, axis=2)  # [labels, 3, rows]
    metrics = {name: METRICS[path].load() for name, path in _METRICS.items()}
    return {
        "labels": list(rows.facts.labels),
        "per_class": {
            label: {
                name: metric.interval_of_groups(
                    own[_STATISTICS[name]], rows.facts, groups=rows.groups, seed=seed
                )
                for name, metric in metrics.items()
            }
            | {"support": int(own[2].sum())}
            for label, own in zip(rows.facts.labels, counts, strict=True)
        },
    }
