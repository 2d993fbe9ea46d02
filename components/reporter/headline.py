"""The headline of a report, and a line per stage.

It answers in a reader's order: did the run succeed, how good is each stage, did it pass
its gate, where is it pushed, and, after an error, what failed and the next step.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from textmill.components.reporter.formats import duration, listing
from textmill.components.reporter.measures import (
    Interval,
    headline_metric,
    interval,
    measured_on,
)

DONE = ("ran", "cached")
_BASELINES = {
    "majority": "most frequent label",
    "bm25": "BM25",
    "linear": "linear model",
    "encoder": "encoder alone",
}
"""Titles of baselines, the simplest first."""


@dataclass(frozen=True)
class StageLine:
    """A stage in one line: its main metric, its thresholds and its pushed version."""

    stage: str
    task: str | None
    metric: str | None
    interval: Interval | None
    measured: str | None
    compared: str | None
    gates: list[Mapping[str, Any]]
    bound: float | None
    blessed: bool | None
    evaluated: bool
    pushed: str | None
    reason: str | None


@dataclass(frozen=True)
class Headline:
    """The top of the page."""

    tone: Literal["good", "bad", "plain"]
    title: str
    details: list[str]
    next_step: str | None
    stages: list[StageLine]
    messages: list[str] = field(default_factory=list)
    """Errors and notes of nodes, which progress shows when they happen."""


def summarize(
    data: Mapping[str, Any] | None,
    summary: Mapping[str, Any] | None = None,
    *,
    root_option: str = "",
    served: Mapping[str, str] | None = None,
) -> Headline:
    """Returns the headline of a report's data, of a run's summary, or of both.

    Args:
        data: as in ``report.json``.
        summary: as in ``summary.json``.
        root_option: ``--root FOLDER`` for the commands in it, if they need one.
        served: the newest pushed version by stage, where there is one; None takes
            those of the time of the push, which a cached result may have outlived.
    """
    stages = data["stages"] if data else []
    run_stages = summary.get("stages", {}) if summary else {}
    if data:
        lines = [_line(stage, run_stages.get(stage["name"], {})) for stage in stages]
    else:
        lines = [_summary_line(*item) for item in run_stages.items()]
    nodes = summary["nodes"] if summary else {}
    details = [_node_counts(summary)] if summary and nodes else []
    details += _warnings((summary or {}).get("warnings", ()), root_option)
    if failed := [name for name, node in nodes.items() if node["state"] == "failed"]:
        return _failed(failed, nodes, details, lines)
    if summary and summary["status"] != "succeeded":
        return _stopped(summary["status"], nodes, details, lines)
    thresholds = {
        **{name: stage.get("thresholds", ()) for name, stage in run_stages.items()},
        **{s["name"]: (s["evaluation"] or {}).get("thresholds", ()) for s in stages},
    }
    is_current = served is not None
    if served is None:
        pushes = {stage["name"]: stage["push"] or {} for stage in stages}
        served = {
            name: str(push["previous"]["version"])
            for name, push in pushes.items()
            if push.get("previous")
        }
    not_pushed = _not_pushed(lines, served, is_current=is_current)
    return _finished(lines, thresholds, not_pushed, details)


def _line(stage: Mapping[str, Any], run_stage: Mapping[str, Any]) -> StageLine:
    """Returns the line of a stage; the run gives its destination below the root."""
    model, push = stage["model"] or {}, stage["push"]
    evaluation = stage["evaluation"] or {}
    task = model.get("task") or evaluation.get("task")
    metrics = evaluation.get("metrics", {})
    metric = headline_metric(task, metrics)
    gates = evaluation.get("thresholds", ())
    return StageLine(
        stage=stage["name"],
        task=task,
        metric=metric,
        interval=interval(metrics[metric]) if metric else None,
        measured=measured_on(task, evaluation),
        compared=compared_with(metric, evaluation),
        gates=list(gates),
        bound=_bound(gates, metric),
        blessed=evaluation.get("blessed"),
        evaluated=bool(evaluation),
        pushed=_version(push, run_stage) if push and push["pushed"] else None,
        reason=push.get("reason") if push and not push["pushed"] else None,
    )


def _summary_line(name: str, stage: Mapping[str, Any]) -> StageLine:
    task, metrics = stage.get("task"), stage.get("metrics") or {}
    metric = headline_metric(task, metrics)
    gates = stage.get("thresholds", ())
    return StageLine(
        stage=name,
        task=task,
        metric=metric,
        interval=interval(metrics[metric]) if metric else None,
        measured=measured_on(task, stage),
        compared=compared_with(metric, stage),
        gates=list(gates),
        bound=_bound(gates, metric),
        blessed=stage.get("blessed"),
        evaluated=bool(metrics),
        pushed=stage.get("pushed"),
        reason=None,
    )


def _bound(gates: Iterable[Mapping[str, Any]], metric: str | None) -> float | None:
    return next((gate["bound"] for gate in gates if gate["metric"] == metric), None)


def compared_with(metric: str | None, evaluation: Mapping[str, Any]) -> str | None:
    """Returns ``linear model 0.829, difference +0.0104 [+0.00173, +0.0195]``.

    The baseline is the most complex one that is not a part of the model.

    Args:
        metric: the stage's main metric.
        evaluation: an evaluation, or its summary.
    """
    baselines = evaluation.get("baselines") or {}
    names = [n for n in order_baselines(baselines) if n != "encoder"]
    for name in sorted(names, key=lambda name: name == "majority"):
        measured = baselines[name]["metrics"].get(metric)
        if measured is None:
            continue
        text = f"{baseline_title(name)} {interval(measured).value:.4g}"
        bounds = baselines[name].get("differences", {}).get(metric)
        if bounds is not None:
            text += (
                f", difference {bounds['value']:+.3g} [{bounds['low']:+.3g}, "
                f"{bounds['high']:+.3g}]"
            )
        return text
    return None


def baseline_title(name: str) -> str:
    """Returns the name of a baseline in words."""
    return _BASELINES.get(name, f"{name} model")


def order_baselines(names: Collection[str]) -> list[str]:
    """Sorts names of baselines from the simplest to the most complex."""
    order = list(_BASELINES)
    known = [name for name in order if name in names]
    return known + sorted(set(names).difference(order))


def _version(push: Mapping[str, Any], run_stage: Mapping[str, Any]) -> str:
    version = f"version {push['version']}"
    destination = run_stage.get("pushed")
    return f"{version} in {destination}" if destination else version


def _node_counts(summary: Mapping[str, Any]) -> str:
    """Returns the number of nodes by state, and the run's time, as a sentence."""
    states = [node["state"] for node in summary["nodes"].values()]
    words = {"ran": "ran", "cached": "from the cache"}
    counts = [
        f"{states.count(state)} {words.get(state, state)}"
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
    lines: list[StageLine],
) -> Headline:
    errors = [str(nodes[name]["error"]) for name in failed if nodes[name].get("error")]
    num_done = sum(node["state"] in DONE for node in nodes.values())
    results = {
        0: "",
        1: " The result of the finished node is kept.",
    }.get(num_done, f" The results of the {num_done} finished nodes are kept.")
    return Headline(
        tone="bad",
        title=f"Stopped at {listing(failed)}",
        details=details,
        messages=errors,
        next_step=f"Fix this, then run the same command again.{results}",
        stages=lines,
    )


def _stopped(
    status: str,
    nodes: Mapping[str, Mapping[str, Any]],
    details: list[str],
    lines: list[StageLine],
) -> Headline:
    is_failure = status == "failed"
    if is_failure:
        next_step = "Fix the error that the command printed, then run it again."
    else:
        next_step = "Run the same command again: it resumes from the last checkpoint."
    return Headline(
        tone="bad" if is_failure else "plain",
        title="Stopped before the end",
        details=details,
        messages=[
            f"{name}: {node['note']}"
            for name, node in nodes.items()
            if node["state"] == "interrupted" and node.get("note")
        ],
        next_step=next_step,
        stages=lines,
    )


def _warnings(warnings: Iterable[Mapping[str, Any]], root_option: str) -> Iterator[str]:
    """Yields the number of warnings about every data set, and the command for them."""
    by_dataset: dict[str, list[Mapping[str, Any]]] = {}
    for entry in warnings:
        by_dataset.setdefault(entry["dataset"], []).append(entry)
    for dataset, entries in by_dataset.items():
        total = sum(entry["count"] for entry in entries)
        noun = "warning" if total == 1 else "warnings"
        about = "; ".join(entry["about"] for entry in entries)
        command = " ".join(filter(None, ["textmill data stats", root_option, dataset]))
        yield f"{total} {noun}: {command} ({about})"


def _finished(
    lines: list[StageLine],
    thresholds: Mapping[str, Sequence[Mapping[str, Any]]],
    not_pushed: str,
    details: list[str],
) -> Headline:
    failed = [line.stage for line in lines if line.blessed is False]
    blessed = [line.stage for line in lines if line.blessed]
    pushed = [line.stage for line in lines if line.pushed]
    if failed:
        return Headline(
            tone="bad",
            title=f"{listing(failed)} did not pass {_possessive(failed)}",
            details=[*_missed(thresholds), *details],
            next_step=not_pushed,
            stages=lines,
        )
    if blessed and blessed == pushed:
        verb = "is" if len(blessed) == 1 else "are"
        title = f"{listing(blessed)} passed {_possessive(blessed)}, and {verb} pushed"
    elif blessed:
        title = f"{listing(blessed)} passed {_possessive(blessed)}"
    elif pushed:
        title = f"{listing(pushed)} pushed, without a gate"
    elif any(line.evaluated for line in lines):
        title = "Trained and measured"
    else:
        title = "Finished"
    return Headline("good" if blessed else "plain", title, details, None, lines)


def _not_pushed(
    lines: Sequence[StageLine], served: Mapping[str, str], *, is_current: bool
) -> str:
    """Returns the consequence of missed gates, with the versions that stay."""
    failed = [line.stage for line in lines if line.blessed is False]
    versions = [
        f"version {served[name]} of {name}" for name in failed if name in served
    ]
    if not versions:
        return "Not pushed."
    if len(failed) == 1:
        stays = "is still" if is_current else "was"
        return f"Not pushed. Version {served[failed[0]]} {stays} the one served."
    return (
        f"Not pushed. {'Still' if is_current else 'Then'} served: {listing(versions)}."
    )


def _missed(thresholds: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Returns a sentence about every threshold that was missed."""
    return [
        f"{name}: {gate['metric']} must be {gate['rule']}{comparison(gate)}, "
        f"and is {gate['value']:.4g}.{_resolution(gate)}"
        for name, gates in thresholds.items()
        for gate in gates
        if not gate["passed"]
    ]


def comparison(gate: Mapping[str, Any]) -> str:
    """Returns the difference from the model that a rule is about; empty without one."""
    if gate.get("version", 0) is None:
        return " (nothing is pushed yet)"
    if "difference" not in gate:
        return ""
    bounds = gate["difference"]
    text = (
        f"difference {bounds['value']:+.3g} [{bounds['low']:+.3g}, "
        f"{bounds['high']:+.3g}]"
    )
    if "version" in gate:
        text += f" from version {gate['version']}"
        if gate["paired_rows"] is not None:
            text += f" on the {gate['paired_rows']:,} rows of both"
        else:
            others = "" if gate["same_documents"] else ", on other documents"
            text += f" by its own evaluation{others}, not row by row"
    return f" ({text})"


def _resolution(gate: Mapping[str, Any]) -> str:
    """Returns a sentence if the value meets a rule, and its interval does not."""
    if "difference" not in gate:
        return ""
    value, margin = gate["difference"]["value"], gate["margin"]
    if value < margin if ">" in gate["rule"] else value > margin:
        return ""
    return (
        " The whole interval must meet the rule: allow a larger margin, or measure on "
        "more documents."
    )


def _possessive(stages: Sequence[str]) -> str:
    return "its gate" if len(stages) == 1 else "their gates"
