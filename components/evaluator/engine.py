"""Metrics of predictions with confidence intervals: overall, by slice, by label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from textmill.components.artifacts import Predictions
from textmill.components.evaluator import EvaluatorConfig
from textmill.components.evaluator.folds import measure_folds
from textmill.components.evaluator.label_scores import has_label_scores, measure_labels
from textmill.components.evaluator.majority import majority_chunks
from textmill.components.evaluator.rows import MeasuredRows, Statistics, measure_rows
from textmill.models.errors import DataError, IntegrityError
from textmill.models.metrics import METRICS, metric_names
from textmill.models.metrics.calibration import calibration, calibration_scores
from textmill.models.metrics.confusion import class_scores
from textmill.models.metrics.difference import paired_differences
from textmill.models.metrics.intervals import Interval, bootstrap_counts
from textmill.models.metrics.metric import Metric, cell_counts
from textmill.models.metrics.resampling import Resamples, group_codes, widen
from textmill.models.tasks import TASKS


def load_metrics(task: str) -> dict[str, Metric]:
    """Returns the metrics of a task by name."""
    target = TASKS[task].target
    return {name: METRICS[name].load(target) for name in metric_names(task)}


def measure(
    predictions: Predictions,
    config: EvaluatorConfig,
    baselines: Mapping[str, Predictions] = MappingProxyType({}),
    *,
    label_shares: np.ndarray | None = None,
    lookup: Iterable[dict[str, Any]] | None = None,
    bm25: Iterable[dict[str, Any]] | None = None,
    rows: MeasuredRows | None = None,
) -> dict[str, Any]:
    """Returns task, rows and metrics; for classifiers, slices and confusion matrix too.

    Args:
        predictions: of the model.
        config: the seed of intervals.
        baselines: predictions of simpler models for the same rows, by name: adds their
            metrics, and the model's minus theirs.
        label_shares: each label's share of train, which makes the baseline
            ``majority``.
        lookup: columns of predictions with the spans of the baseline ``lookup``.
        bm25: columns of predictions with the ranks of the baseline ``bm25``.
        rows: the measured rows of the predictions, if they are at hand.

    Raises:
        DataError: all rows have one label.
        IntegrityError: a baseline's predictions are for other rows.
    """
    task = predictions.facts["task"]
    metrics = load_metrics(task)
    rows = rows or measure_rows(predictions, metrics)
    result: dict[str, Any] = {
        "task": task,
        "rows": predictions.facts["rows"],
        **_count_groups(rows.groups),
        "metrics": _intervals(metrics, rows, config.seed),
    }
    if signatures := _signatures(metrics, rows):
        result["signatures"] = signatures
    if "groups" in result:
        result["grouped_by"] = predictions.facts["group"]
    if predictions.samples:
        result["samples"] = predictions.samples
    others = {k: measure_rows(other, metrics) for k, other in baselines.items()}
    if label_shares is not None:
        chunks = majority_chunks(predictions, label_shares)
        others["majority"] = measure_rows(predictions, metrics, chunks)
    if lookup is not None:
        others["lookup"] = measure_rows(predictions, metrics, lookup)
    if bm25 is not None:
        others["bm25"] = measure_rows(predictions, metrics, bm25)
    if others:
        result["baselines"] = {
            name: _compare(name, other, metrics, rows, config.seed)
            for name, other in others.items()
        }
    if rows.cells is not None:
        result |= _confusion(rows, config.seed)
    if has_label_scores(task, rows):
        result |= measure_labels(predictions, rows, config.seed)
    if rows.answers is not None:
        result["calibration"] = calibration(
            rows.answers, groups=rows.groups, seed=config.seed
        )
    if "folds" in predictions.facts:
        result["folds"] = measure_folds(predictions, metrics, seed=config.seed)
    if TASKS[task].has_document_rows:
        result["slices"] = {
            column: _slices(values, metrics, rows, config.seed)
            for column, values in rows.slices.items()
        }
    return result


def _compare(
    name: str,
    baseline: MeasuredRows,
    metrics: Mapping[str, Metric],
    rows: MeasuredRows,
    seed: int,
) -> dict[str, Any]:
    """Returns a baseline's metrics, and the model's minus them."""
    if baseline.ids != rows.ids:
        raise IntegrityError(
            f"evaluate: the predictions of baseline {name} and those of the model are "
            "for different rows; run the pipeline again"
        )
    baseline = replace(baseline, groups=rows.groups)
    compared = {
        "metrics": _intervals(metrics, baseline, seed),
        "differences": paired_differences(
            {metric: metrics[metric] for metric in rows.statistics},
            rows.statistics,
            baseline.statistics,
            rows.facts,
            groups=rows.groups,
            seed=seed,
        ),
    }
    if baseline.answers is not None:
        compared["calibration"] = calibration_scores(
            baseline.answers, groups=rows.groups, seed=seed
        )
    return compared


def _count_groups(groups: np.ndarray | None) -> dict[str, int]:
    """Returns ``groups``, their number; nothing where rows are independent."""
    return {} if groups is None else {"groups": len(np.unique(groups))}


def _intervals(
    metrics: Mapping[str, Metric], rows: MeasuredRows, seed: int
) -> dict[str, Interval]:
    return {
        name: metrics[name].interval_of_groups(
            values, rows.facts, groups=rows.groups, seed=seed
        )
        for name, values in rows.statistics.items()
    }


def _signatures(metrics: Mapping[str, Metric], rows: MeasuredRows) -> dict[str, str]:
    """Returns the settings of metrics that state them, by metric."""
    signatures = {name: metrics[name].signature(rows.facts) for name in rows.statistics}
    return {name: text for name, text in signatures.items() if text is not None}


def _slices(
    values: list[str], metrics: Mapping[str, Metric], rows: MeasuredRows, seed: int
) -> dict[str, dict[str, Any]]:
    """Returns rows and metrics of every value of a column."""
    names, codes = np.unique(np.array(values, dtype=object), return_inverse=True)
    slices = {}
    for code, name in enumerate(names):
        part = _part(rows, codes == code)
        slices[str(name)] = {
            "rows": len(part.ids),
            **_count_groups(part.groups),
            **_intervals(metrics, part, seed),
        }
    return slices


def _part(rows: MeasuredRows, mask: np.ndarray) -> MeasuredRows:
    """Returns ids, statistics and groups of some rows."""
    statistics: Statistics = {
        name: np.ascontiguousarray(array[:, mask])
        for name, array in rows.statistics.items()
    }
    groups = None if rows.groups is None else rows.groups[mask]
    return MeasuredRows(
        facts=rows.facts,
        statistics=statistics,
        ids=[rows.ids[i] for i in np.flatnonzero(mask)],
        groups=None if groups is None else group_codes(groups),
    )


def _confusion(rows: MeasuredRows, seed: int) -> dict[str, Any]:
    """Returns the confusion matrix, and precision, recall and F1 of every label."""
    assert rows.cells is not None
    labels, size = rows.facts.labels, len(rows.facts.labels)
    counts = np.bincount(rows.cells, minlength=size * size)
    confusion = counts.reshape(size, size)  # [true, predicted]
    support = confusion.sum(axis=1)
    if np.count_nonzero(support) < 2:
        label = labels[int(support.argmax())]
        raise DataError(
            f"evaluate: expected two labels or more, all {len(rows.ids)} rows are "
            f"{label!r}; give the split more documents"
        )
    intervals = _label_intervals(counts, rows, seed)
    names = ("precision", "recall", "f1")
    return {
        "labels": list(labels),
        "confusion": confusion.tolist(),
        "per_class": {
            label: {name: intervals[j * size + i] for j, name in enumerate(names)}
            | {"support": int(support[i])}
            for i, label in enumerate(labels)
        },
    }


def _label_intervals(
    counts: np.ndarray, rows: MeasuredRows, seed: int
) -> list[Interval]:
    """Returns the intervals of ``class_scores``, flattened."""
    size = len(rows.facts.labels)

    def scores(resampled: np.ndarray) -> np.ndarray:
        of_labels = class_scores(resampled.reshape(*resampled.shape[:-1], size, size))
        return of_labels.reshape(*of_labels.shape[:-2], -1)

    intervals = bootstrap_counts(counts, scores, seed=seed)
    resamples = Resamples(len(rows.ids), rows.groups, seed)
    if not resamples.has_groups:
        return intervals
    cells = rows.cells
    assert cells is not None
    drawn = resamples.map(lambda c: scores(cell_counts(cells, c, size * size)))
    bounds = resamples.bounds(drawn)
    return [widen(i, *b) for i, b in zip(intervals, bounds.T, strict=True)]
