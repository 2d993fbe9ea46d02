"""A stage's measurements in words: intervals, order of metrics, and cautions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from textmill.models.metrics import METRICS, metric_names
from textmill.models.tasks import TASKS

FEW_GROUPS = 10
"""With fewer groups than this, intervals are rough."""


_LEAST_SEEN = 0.01
"""Share of documents seen in pretraining that is worth a sentence."""


@dataclass(frozen=True)
class Interval:
    """A metric's value and its 95 % interval, None without one."""

    value: float
    low: float | None = None
    high: float | None = None


def interval(value: Any) -> Interval:
    """Reads a metric: a number, or a mapping of value, low and high."""
    if isinstance(value, Mapping):
        return Interval(value["value"], value.get("low"), value.get("high"))
    return Interval(value)


def measured_on(task: str | None, evaluation: Mapping[str, Any]) -> str | None:
    """Returns ``1,234 documents of test``, or ``rows`` where texts are packed.

    Documents that are split by a column are ``in 98 groups by module``.

    Args:
        task: None is one of packed texts.
        evaluation: an evaluation, or its summary.
    """
    if (rows := evaluation.get("rows")) is None:
        return None
    is_document = task in TASKS and TASKS[task].target != "none"
    text = f"{rows:,} {'document' if is_document else 'row'}{'' if rows == 1 else 's'}"
    if split := evaluation.get("split"):
        text += f" of {split}"
    if (groups := evaluation.get("groups")) is not None:
        noun = "group" if groups == 1 else "groups"
        text += f" in {groups:,} {noun} by {evaluation['grouped_by']}"
    return text


def cautions(evaluation: Mapping[str, Any]) -> Iterator[str]:
    """Yields sentences about measures that say less than they seem to.

    Args:
        evaluation: an evaluation, or its summary.
    """
    groups = evaluation.get("groups")
    if groups is not None and groups < FEW_GROUPS:
        noun = "group" if groups == 1 else "groups"
        yield (
            f"only {groups} {noun} by {evaluation['grouped_by']} there: the intervals "
            "are rough"
        )
    if evaluation.get("calibrated_on_these_rows"):
        yield (
            "there is no test split: the confidence was fitted to these documents, and "
            "looks better on them than on others"
        )
    for dataset, seen in (evaluation.get("seen_in_pretraining") or {}).items():
        if seen["share"] >= _LEAST_SEEN:
            about = "about " if seen["is_estimate"] else ""
            has_labels = evaluation.get("task") in TASKS and (
                TASKS[evaluation["task"]].target != "none"
            )
            without = ", without their labels," if has_labels else ""
            yield (
                f"{about}{seen['share']:.0%} of these documents are{without} in the "
                f"train split of data set {dataset}, from which the model was "
                f"pretrained; set decontaminate.against in {dataset} to hold them out"
            )


def order_metrics(task: str | None, metrics: Iterable[str]) -> list[str]:
    """Sorts names of metrics as their task lists them, and unlisted ones by name.

    Args:
        task: None takes the task that shares the most metrics.
    """
    names = set(metrics)
    if task is None:
        shared = {
            name: len(names.intersection(row.metrics)) for name, row in TASKS.items()
        }
        task = max(shared, key=shared.__getitem__)
    order = metric_names(task) if task in TASKS else []
    return [name for name in order if name in names] + sorted(names.difference(order))


def is_fraction(metric: str | None) -> bool:
    """Returns True for a metric from 0 to 1, which can be drawn on an axis."""
    return metric in METRICS and METRICS[metric].is_fraction


def headline_metric(task: str | None, metrics: Iterable[str]) -> str | None:
    """Returns a stage's main metric: the first that its task lists."""
    return next(iter(order_metrics(task, metrics)), None)
