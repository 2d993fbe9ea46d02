"""Renders plans, runs and predictions for the terminal, as plain text."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill.components.reporter.formats import duration
from textmill.components.reporter.headline import summarize
from textmill.pipeline.progress import visible

if TYPE_CHECKING:
    from textmill.pipeline.cache.plan import NodePlan


def render_table(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def render_plan(nodes: Sequence[NodePlan]) -> str:
    """Returns one line per node: its id, its expected state, and why."""
    rows = []
    for node in nodes:
        first, *others = node.reasons or [""]
        rows.append([node.id, node.state, first])
        rows += [["", "", reason] for reason in others]
    up_to_date = sum(node.state == "cached" for node in nodes)
    table = render_table([["NODE", "STATE", "WHY"], *rows])
    return f"{table}\n\n{up_to_date} of {len(nodes)} nodes are up to date."


def render_run(
    summary: Mapping[str, Any], root: Path, *, is_default_root: bool = False
) -> str:
    """Returns the results of a run, their paths, and the next step.

    Args:
        summary: as in ``summary.json``.
        root: the folder that the summary's paths are relative to.
        is_default_root: True if commands find the root without ``--root``.
    """
    headline = summarize(None, summary)
    rows = [row for name in summary["stages"] for row in _stage(name, summary, root)]
    rows += [row for row in _report(summary, root) if row]
    option = "" if is_default_root else f"--root {shlex.quote(str(root))} "
    next_steps = [
        ["next", f'textmill predict {option}{name} "your text"']
        for name, stage in summary["stages"].items()
        if stage["pushed"]
    ]
    if headline.next_step:
        next_steps = [["next", headline.next_step]]
    paragraph = "\n".join([headline.title, *headline.details])
    table = render_table([*rows, *next_steps]) if rows or next_steps else ""
    return "\n\n".join(filter(None, [paragraph, table]))


def _stage(name: str, summary: Mapping[str, Any], root: Path) -> Iterator[list[str]]:
    stage = summary["stages"][name]
    gates = {True: "passed its gate", False: "did not pass its gate", None: ""}
    bounds = stage.get("intervals", {})
    metrics = [
        _metric(metric, value, bounds.get(metric))
        for metric, value in (stage["metrics"] or {}).items()
    ]
    parts = [*metrics, gates[stage["blessed"]]]
    yield [name, ", ".join(filter(None, parts)) or "not measured"]
    if stage["pushed"]:
        yield ["", f"pushed to {root / stage['pushed']}"]


def _metric(name: str, value: float, bounds: Sequence[float] | None) -> str:
    if not bounds:
        return f"{name} {value:.4g}"
    return f"{name} {value:.4g} [{bounds[0]:.4g}, {bounds[1]:.4g}]"


def _report(summary: Mapping[str, Any], root: Path) -> Iterator[list[str]]:
    page = root / "runs" / summary["run_id"] / "report.html"
    if page.is_file():
        yield ["report", str(page)]


def render_executions(summary: Mapping[str, Any], root: Path) -> str:
    """Returns one line per node of a run, and the results."""
    title = f"{summary['run_id']}: {summary['status']}"
    rows = [
        [
            id,
            node["state"],
            render_duration(node.get("seconds")),
            node.get("error") or "",
        ]
        for id, node in summary["nodes"].items()
    ]
    table = render_table([["NODE", "STATE", "TOOK", ""], *rows])
    return "\n\n".join([title, table, render_run(summary, root)])


def render_time(seconds: float) -> str:
    """Returns a time of the clock, in this machine's zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def render_duration(seconds: float | None) -> str:
    """Returns a duration, or nothing for one that is not known."""
    return "" if seconds is None else duration(seconds)


def render_answer(
    text: str, answer: Mapping[str, Any], *, is_only_one: bool = False
) -> str:
    """Returns a prediction: probabilities sorted, everything else by name."""
    rows = []
    for name, value in answer.items():
        if isinstance(value, Mapping):
            ranked = sorted(value.items(), key=lambda item: (-item[1], item[0]))
            rows += [[f"  {label}", f"{share:7.2%}"] for label, share in ranked]
        else:
            rows.append([name, str(value)])
    table = render_table(rows)
    return visible(table if is_only_one else f"> {text}\n{table}\n")
