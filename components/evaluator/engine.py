"""Metrics of predictions with confidence intervals: overall, by slice, by label."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from textmill.components.artifacts import Predictions
from textmill.components.evaluator import EvaluatorConfig
from textmill.components.evaluator.folds import measure_folds
from textmill.models.errors import DataError, IntegrityError
from textmill.models.metrics import METRICS, metric_names
from textmill.models.metrics.confusion import class_scores, confusion_cells
from textmill.models.metrics.difference import paired_differences
from textmill.models.metrics.intervals import Interval, bootstrap_counts
from textmill.models.metrics.metric import Metric, PredictedRows, PredictionFacts
from textmill.models.tasks import TASKS

Statistics = dict[str, np.ndarray]
"""float64 ``[statistics, rows]`` by metric."""


def measure(
    predictions: Predictions,
    config: EvaluatorConfig,
    baselines: Mapping[str, Predictions] = MappingProxyType({}),
) -> dict[str, Any]:
    """Returns task, rows and metrics; for classifiers, slices and confusion matrix too.

    Args:
        predictions: of the model.
        config: the seed of intervals.
        baselines: predictions of simpler models for the same rows, by name: adds their
            metrics, and the model's minus theirs.

    Raises:
        DataError: all rows have one label.
        IntegrityError: a baseline's predictions are for other rows.
    """
    facts = _facts(predictions)
    names = metric_names(predictions.facts["task"])
    metrics = {name: METRICS[name].load() for name in names}
    statistics, cells, columns, ids = _collect(predictions, metrics, facts)
    result: dict[str, Any] = {
        "task": predictions.facts["task"],
        "rows": predictions.facts["rows"],
        "metrics": _intervals(metrics, statistics, facts, config.seed),
    }
    if predictions.samples:
        result["samples"] = predictions.samples
    if baselines:
        result["baselines"] = {
            name: _compare(other, ids, metrics, statistics, facts, config.seed)
            for name, other in baselines.items()
        }
    if "folds" in predictions.facts:
        result["folds"] = measure_folds(predictions, metrics, facts, seed=config.seed)
    if len(cells):
        result |= _confusion(cells, facts, config.seed)
    if TASKS[predictions.facts["task"]].target != "none":
        result["slices"] = {
            column: _slices(values, metrics, statistics, facts, config.seed)
            for column, values in columns.items()
        }
    return result


def _compare(
    baseline: Predictions,
    ids: list[str],
    metrics: Mapping[str, Metric],
    statistics: Statistics,
    facts: PredictionFacts,
    seed: int,
) -> dict[str, Any]:
    """Returns a baseline's metrics, and the model's minus them."""
    theirs, _, _, baseline_ids = _collect(baseline, metrics, facts)
    if baseline_ids != ids:
        raise IntegrityError(
            f"evaluate: {baseline.path} and the model's predictions are for different "
            "rows; run the pipeline again"
        )
    return {
        "metrics": _intervals(metrics, theirs, facts, seed),
        "differences": paired_differences(
            {name: metrics[name] for name in statistics},
            statistics,
            theirs,
            facts,
            seed=seed,
        ),
    }


def _facts(predictions: Predictions) -> PredictionFacts:
    facts = predictions.facts
    size = facts["bytes"]
    return PredictionFacts(
        labels=tuple(facts["labels"]),
        tokens_per_byte=facts["tokens"] / size if size else None,
    )


def _collect(
    predictions: Predictions, metrics: Mapping[str, Metric], facts: PredictionFacts
) -> tuple[Statistics, np.ndarray, dict[str, list[str]], list[str]]:
    """Reads the predictions once: statistics by metric, cells, slice columns, ids."""
    parts: dict[str, list[np.ndarray]] = {}
    cells: list[np.ndarray] = []
    ids: list[str] = []
    columns: dict[str, list[str]] = {name: [] for name in predictions.facts["slices"]}
    for group in predictions.read_groups():
        rows = PredictedRows(group, facts)
        ids += group["id"]
        for name, metric in metrics.items():
            if metric.applies(rows):
                parts.setdefault(name, []).append(metric.statistics(rows))
        if TASKS[predictions.facts["task"]].target == "label":
            cells.append(confusion_cells(rows))
        for column, values in columns.items():
            values += group[column]
    statistics = {name: np.concatenate(part, axis=1) for name, part in parts.items()}
    all_cells = np.concatenate([np.zeros(0, np.int64), *cells])
    return statistics, all_cells, columns, ids


def _intervals(
    metrics: Mapping[str, Metric],
    statistics: Statistics,
    facts: PredictionFacts,
    seed: int,
) -> dict[str, Interval]:
    return {
        name: metrics[name].interval(values, facts, seed=seed)
        for name, values in statistics.items()
    }


def _slices(
    values: list[str],
    metrics: Mapping[str, Metric],
    statistics: Statistics,
    facts: PredictionFacts,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Returns rows and metrics of every value of a column."""
    names, codes = np.unique(np.array(values, dtype=object), return_inverse=True)
    slices = {}
    for code, name in enumerate(names):
        mask = codes == code
        part = {
            metric: np.ascontiguousarray(array[:, mask])
            for metric, array in statistics.items()
        }
        slices[str(name)] = {
            "rows": int(mask.sum()),
            **_intervals(metrics, part, facts, seed),
        }
    return slices


def _confusion(cells: np.ndarray, facts: PredictionFacts, seed: int) -> dict[str, Any]:
    """Returns the confusion matrix, and precision, recall and F1 of every label."""
    size = len(facts.labels)
    counts = np.bincount(cells, minlength=size * size)
    confusion = counts.reshape(size, size)  # [true, predicted]
    support = confusion.sum(axis=1)
    if np.count_nonzero(support) < 2:
        label = facts.labels[int(support.argmax())]
        raise DataError(
            f"evaluate: expected two labels or more, all {len(cells)} rows are "
            f"{label!r}; give the split more documents"
        )

    def scores(resampled: np.ndarray) -> np.ndarray:
        of_labels = class_scores(resampled.reshape(*resampled.shape[:-1], size, size))
        return of_labels.reshape(*of_labels.shape[:-2], -1)

    intervals = bootstrap_counts(counts, scores, seed=seed)
    names = ("precision", "recall", "f1")
    return {
        "labels": list(facts.labels),
        "confusion": confusion.tolist(),
        "per_class": {
            label: {name: intervals[j * size + i] for j, name in enumerate(names)}
            | {"support": int(support[i])}
            for i, label in enumerate(facts.labels)
        },
    }
