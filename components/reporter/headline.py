"""The verdict: what came out, in the order in which a reader asks.

Did it work, how good is each stage, may it be served, where is it, and, where something
went wrong, what and what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

DONE = ("ran", "cached")
HEADLINES = ("accuracy", "loss")
"""What stands for a stage: the first of them, for a language model the last."""
UNIT_METRICS = frozenset(
    {"accuracy", "macro_precision", "macro_recall", "macro_f1"}
    | {"precision", "recall", "f1"}
)
"""Metrics between 0 and 1, which can be drawn on one axis."""


@dataclass(frozen=True)
class Interval:
    """A metric's value and its 95 % interval, None where it has none."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """A stage in a line."""

    stage: str
    task: str | None
    metric: str | None
    interval: Interval | None
    rule: str | None
    bound: float | None
    blessed: bool | None
    evaluated: bool
    pushed: str | None
    reason: str | None


@dataclass(frozen=True)
class Verdict:
    """The top of the page."""

    tone: Literal["good", "bad", "plain"]
    headline: str
    details: list[str]
    next_step: str | None
    rows: list[Row]


def interval(value: Any) -> Interval:
    """Reads a metric: a number, or a mapping of value, low and high."""
    if isinstance(value, Mapping):
        return Interval(value["value"], value.get("low"), value.get("high"))
    return Interval(value)


def judge(
    data: Mapping[str, Any] | None, summary: Mapping[str, Any] | None = None
) -> Verdict:
    """Returns the verdict on a report's data, a run's summary, or both."""
    stages = data["stages"] if data else []
    known = summary.get("stages", {}) if summary else {}
    if data:
        rows = [_row(stage, known.get(stage["name"], {})) for stage in stages]
    else:
        rows = [_summary_row(*item) for item in known.items()]
    nodes = summary["nodes"] if summary else {}
    details = [_work(summary)] if summary and nodes else []
    if failed := [name for name, node in nodes.items() if node["state"] == "failed"]:
        return _failed(failed, nodes, details, rows)
    if summary and summary["status"] != "succeeded":
        return _stopped(summary["status"], details, rows)
    return _judged(rows, stages, details)


def _row(stage: Mapping[str, Any], known: Mapping[str, Any]) -> Row:
    """Reads a stage of the data; the run knows its destination relative to the root."""
    model, push = stage["model"] or {}, stage["push"]
    evaluation = stage["evaluation"] or {}
    task = model.get("task") or evaluation.get("task")
    metrics = evaluation.get("metrics", {})
    metric = headline_metric(task, metrics)
    gates = {gate["metric"]: gate for gate in evaluation.get("thresholds", ())}
    gate = gates.get(metric, {})
    return Row(
        stage=stage["name"],
        task=task,
        metric=metric,
        interval=interval(metrics[metric]) if metric else None,
        rule=gate.get("rule"),
        bound=gate.get("bound"),
        blessed=evaluation.get("blessed"),
        evaluated=bool(evaluation),
        pushed=_version(push, known) if push and push["pushed"] else None,
        reason=push.get("reason") if push and not push["pushed"] else None,
    )


def _summary_row(name: str, stage: Mapping[str, Any]) -> Row:
    metrics = stage.get("metrics") or {}
    metric = headline_metric(None, metrics)
    return Row(
        stage=name,
        task=None,
        metric=metric,
        interval=interval(metrics[metric]) if metric else None,
        rule=None,
        bound=None,
        blessed=stage.get("blessed"),
        evaluated=bool(metrics),
        pushed=stage.get("pushed"),
        reason=None,
    )


def _version(push: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    version = f"version {push['version']}"
    return f"{version} in {known['pushed']}" if known.get("pushed") else version


def headline_metric(task: str | None, metrics: Mapping[str, Any]) -> str | None:
    """Returns the name of the metric that stands for the stage."""
    language_model = task in ("masked_lm", "causal_lm") or "perplexity" in metrics
    for name in reversed(HEADLINES) if language_model else HEADLINES:
        if name in metrics:
            return name
    return min(metrics, default=None)


def _work(summary: Mapping[str, Any]) -> str:
    """Says how many nodes ended how, and how long it took."""
    states = [node["state"] for node in summary["nodes"].values()]
    said = {"ran": "ran", "cached": "from the cache"}
    counts = [
        f"{states.count(state)} {said.get(state, state)}"
        for state in dict.fromkeys([*DONE, *states])
        if state in states
    ]
    seconds = summary.get("seconds")
    took = f", in {duration(seconds)}" if seconds is not None else ""
    noun = "node" if len(states) == 1 else "nodes"
    return f"{len(states)} {noun}: {', '.join(counts)}{took}."


def _failed(
    failed: Sequence[str],
    nodes: Mapping[str, Mapping[str, Any]],
    details: list[str],
    rows: list[Row],
) -> Verdict:
    errors = [str(nodes[name]["error"]) for name in failed if nodes[name].get("error")]
    done = sum(node["state"] in DONE for node in nodes.values())
    kept = {
        0: "",
        1: " The finished node is kept.",
    }.get(done, f" The {done} finished nodes are kept.")
    return Verdict(
        tone="bad",
        headline=f"Stopped at {listing(failed)}",
        details=[*errors, *details],
        next_step=f"Mend this, then give the same command again.{kept}",
        rows=rows,
    )


def _stopped(status: str, details: list[str], rows: list[Row]) -> Verdict:
    is_failure = status == "failed"
    return Verdict(
        tone="bad" if is_failure else "plain",
        headline="Stopped before the end",
        details=details,
        next_step="The command said why; mend it, then give the same command again."
        if is_failure
        else "Give the same command again: it goes on where it stopped.",
        rows=rows,
    )


def _judged(
    rows: list[Row], stages: Sequence[Mapping[str, Any]], details: list[str]
) -> Verdict:
    refused = [row.stage for row in rows if row.blessed is False]
    blessed = [row.stage for row in rows if row.blessed]
    pushed = [row.stage for row in rows if row.pushed]
    if refused:
        return Verdict(
            tone="bad",
            headline=f"{listing(refused)} did not pass {_possessive(refused)}",
            details=[*_missed(stages), *details],
            next_step="Not pushed: what was served before still is.",
            rows=rows,
        )
    if blessed and blessed == pushed:
        headline = f"{listing(blessed)} passed {_possessive(blessed)}, and is pushed"
        if len(blessed) > 1:
            headline = headline.replace("and is", "and are")
    elif blessed:
        headline = f"{listing(blessed)} passed {_possessive(blessed)}"
    elif pushed:
        headline = f"{listing(pushed)} pushed, without a gate"
    elif any(row.evaluated for row in rows):
        headline = "Trained and measured"
    else:
        headline = "Finished"
    return Verdict("good" if blessed else "plain", headline, details, None, rows)


def _missed(stages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Says which threshold was missed, and by which value."""
    return [
        f"{stage['name']}: {gate['metric']} must be {gate['rule']}{beaten(gate)}, "
        f"and is {gate['value']:.4g}."
        for stage in stages
        for gate in (stage["evaluation"] or {}).get("thresholds", ())
        if not gate["passed"]
    ]


def beaten(gate: Mapping[str, Any]) -> str:
    """Says which pushed version a threshold compares with, where it does."""
    if "version" not in gate:
        return ""
    if gate["version"] is None:
        return " (nothing is pushed yet)"
    where = "" if gate["same_documents"] else " on other documents"
    return f" ({gate['bound']:.4g}, by version {gate['version']}{where})"


def _possessive(stages: Sequence[str]) -> str:
    return "its gate" if len(stages) == 1 else "their gates"


def listing(names: Sequence[str]) -> str:
    """Returns ``a, b and c``."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def duration(seconds: float) -> str:
    """Returns ``0.4 s``, ``42 s``, ``3 min 05 s`` or ``2 h 07 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
