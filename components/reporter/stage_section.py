"""The page's section about a stage: metrics and comparisons, settings, examples."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from textmill.components.reporter.calibration_section import describe_calibration
from textmill.components.reporter.charts import describe_plot, draw_plot
from textmill.components.reporter.folds_section import describe_folds
from textmill.components.reporter.formats import words
from textmill.components.reporter.headline import baseline_title, order_baselines
from textmill.components.reporter.measures import (
    Interval,
    cautions,
    headline_metric,
    interval,
    measured_on,
    order_metrics,
)

MAX_MATRIX = 30
"""Most classes of a drawn confusion matrix; with more, only mistakes are listed."""
NUM_MISTAKES = 6
FOUND = ("retrieved", "missed", "answered")
EXAMPLES = ("errors", "samples", "worst_written", "written", *FOUND)
"""Lists of quoted texts, those that a stage has."""
FIRST_PLOTS = ("loss", "accuracy", "learning_rate")
MAIN_SETTINGS = (
    "global_batch",
    "optimizer",
    "learning_rate",
    "schedule",
    "warmup",
    "epochs",
    "budget",
    "steps",
    "dropout",
    "weight_decay",
    "precision",
    "seed",
)


def describe_stage(stage: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values that the template shows; parts of a stage may be missing."""
    evaluation, model = stage["evaluation"] or {}, stage["model"] or {}
    task = model.get("task") or evaluation.get("task")
    labels = evaluation.get("labels") or []
    push = stage["push"] or {}
    return {
        "name": stage["name"],
        "subtitle": words(task) if task else "",
        "measured": measured_on(task, evaluation),
        "rows": measured_on(task, {**evaluation, "groups": None}),
        "cautions": [
            sentence[:1].upper() + sentence[1:] for sentence in cautions(evaluation)
        ],
        "comparison": _compare(task, evaluation, push.get("previous")),
        "thresholds": evaluation.get("thresholds") or [],
        "facts": _facts(model),
        "settings": _settings(stage.get("settings") or {}, stage["curves"]),
        "plots": _plots(stage["curves"]),
        "folds": describe_folds(task, evaluation.get("folds")),
        "calibration": describe_calibration(evaluation),
        "confusion": _confusion(labels, evaluation.get("confusion")),
        "per_class": _per_class(labels, evaluation.get("per_class") or {}),
        "slices": {
            column: [(value, _slice(task, values[value])) for value in values]
            for column, values in (evaluation.get("slices") or {}).items()
        },
        "samples": evaluation.get("samples") or [],
        "examples": dict.fromkeys(EXAMPLES, ()) | (stage.get("examples") or {}),
        "pushed": push.get("version") if push.get("pushed") else None,
    }


def _compare(
    task: str | None,
    evaluation: Mapping[str, Any],
    previous: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Returns rows of metrics, with those of baselines and of the version before."""
    metrics = evaluation.get("metrics", {})
    others = _baselines(evaluation)
    if previous:
        note = "" if previous["same_documents"] else ", on other documents"
        title = f"version {previous['version']}{note}"
        others[title] = {"metrics": previous["metrics"]}
    rows = []
    for name in order_metrics(task, metrics):
        own = interval(metrics[name])
        rows.append((name, own, [_beside(name, own, o) for o in others.values()]))
    return {"titles": list(others), "rows": rows}


def _beside(
    metric: str, own: Interval, other: Mapping[str, Any]
) -> tuple[float, Interval] | None:
    """Returns another model's value, and the model's minus it; None without one."""
    if metric not in other["metrics"]:
        return None
    value = interval(other["metrics"][metric]).value
    difference = other.get("differences", {}).get(metric, own.value - value)
    return value, interval(difference)


def _baselines(evaluation: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Returns the baselines by title, the simplest first."""
    baselines = evaluation.get("baselines") or {}
    return {
        baseline_title(name): baselines[name] for name in order_baselines(baselines)
    }


def _facts(model: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Returns names and values of a model's shape; dropout is a setting."""
    shape = dict(model.get("model") or {})
    shape.pop("dropout", None)
    facts = {
        "family": shape.pop("family", None),
        "parameters": model.get("parameters"),
        **shape,
        "labels": len(model.get("labels") or ()) or None,
    }
    return _shown(facts)


def _settings(
    settings: Mapping[str, Any], curves: Mapping[str, Sequence[Sequence[float]]]
) -> dict[str, list[tuple[str, Any]]]:
    """Returns the main settings of a training, and all further ones.

    The number of steps is that of the curves: a budget and early stopping decide it.
    """
    knobs = dict(settings.get("train", {}))
    knobs |= {name: settings.get(name) for name in ("seed", "strategy")}
    last_steps = [int(points[-1][0]) for points in curves.values() if points]
    if last_steps:
        knobs["steps"] = max(last_steps)
    main = {name: knobs.get(name) for name in MAIN_SETTINGS}
    return {
        "main": _shown(main),
        "others": _shown({k: v for k, v in knobs.items() if k not in main}),
    }


def _shown(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Returns the values that are set; choices are yes or left out."""
    return [
        (name, "yes" if value is True else value)
        for name, value in values.items()
        if isinstance(value, str | int | float) and value is not False
    ]


def _plots(curves: Mapping[str, Sequence[Sequence[float]]]) -> list[dict[str, Any]]:
    """Groups ``train/loss`` and ``eval/loss`` into one plot; the loss comes first.

    A quantity with a single point is left out.
    """
    groups: dict[str, dict[str, Sequence[Sequence[float]]]] = {}
    for name, points in sorted(curves.items(), reverse=True):
        split, _, quantity = name.rpartition("/")
        groups.setdefault(quantity, {})[split] = points
    drawn = [name for name in groups if max(map(len, groups[name].values())) > 1]
    first = [name for name in FIRST_PLOTS if name in drawn]
    order = first + sorted(set(drawn).difference(first))
    return [
        {
            "title": name,
            "plot": draw_plot(groups[name]),
            "description": describe_plot(words(name), groups[name]),
        }
        for name in order
    ]


def _confusion(
    labels: Sequence[str], matrix: Sequence[Sequence[int]] | None
) -> dict[str, Any] | None:
    if not matrix:
        return None
    mistakes = sorted(
        (
            (-matrix[true][predicted], labels[true], labels[predicted])
            for true, predicted in itertools.permutations(range(len(labels)), 2)
            if matrix[true][predicted]
        ),
    )
    return {
        "labels": labels,
        "rows": [
            (label, [(cell, cell / (sum(row) or 1)) for cell in row], sum(row))
            for label, row in zip(labels, matrix, strict=True)
        ]
        if len(labels) <= MAX_MATRIX
        else [],
        "mistakes": [
            (true, predicted, -negative)
            for negative, true, predicted in mistakes[:NUM_MISTAKES]
        ],
    }


def _per_class(
    labels: Sequence[str], table: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    return [
        {
            "label": label,
            "support": table[label]["support"],
            **{
                name: interval(table[label][name])
                for name in ("precision", "recall", "f1")
            },
        }
        for label in labels
        if label in table
    ]


def _slice(task: str | None, metrics: Mapping[str, Any]) -> dict[str, Any]:
    name = headline_metric(task, metrics.keys() - {"rows"})
    return {
        "rows": metrics["rows"],
        "metric": name,
        "interval": interval(metrics[name]) if name else None,
    }
