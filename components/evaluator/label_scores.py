"""Precision, recall and F1 of every label: of spans, or of any number of labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from textmill.components.artifacts import Predictions
from textmill.components.evaluator.rows import MeasuredRows
from textmill.models.metrics import METRICS
from textmill.models.metrics.metric import PredictedRows
from textmill.models.metrics.multilabel import hits_by_label
from textmill.models.metrics.spans import counts_by_label
from textmill.models.tasks import TASKS

_METRICS = {"precision": "span_precision", "recall": "span_recall", "f1": "span_f1"}
_STATISTICS = {"precision": [0, 1], "recall": [0, 2], "f1": [0, 1, 2]}
"""Of equal, predicted and true ones, those that a metric adds up."""
_COUNTS = {"tags": counts_by_label, "labels": hits_by_label}
"""Equal, predicted and true spans or labels, ``[labels, 3, rows]``, by target."""


def has_label_scores(task: str, rows: MeasuredRows) -> bool:
    """Returns True for answers that name any number of labels for a document."""
    target = TASKS[task].target
    # An installed task of labels may answer in another form.
    return target == "tags" or (target == "labels" and "macro_f1" in rows.statistics)


def measure_labels(
    predictions: Predictions, rows: MeasuredRows, seed: int
) -> dict[str, Any]:
    """Returns ``labels`` and, by label, ``per_class``: three intervals, ``support``.

    Support is the number of the label's true spans, or of documents with the label.
    """
    count = _COUNTS[TASKS[predictions.facts["task"]].target]
    parts = [
        count(PredictedRows(chunk, rows.facts)) for chunk in predictions.read_groups()
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
