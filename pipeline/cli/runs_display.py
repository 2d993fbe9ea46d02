"""Renders the list of runs, and the comparison of two, for the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textmill.components.reporter.measures import headline_metric
from textmill.pipeline.cli.display import render_duration, render_table, render_time
from textmill.pipeline.progress import visible

if TYPE_CHECKING:
    from textmill.pipeline.run_comparison import Change, RunComparison

_MAX_TEXT = 60


def render_runs(runs: Sequence[Mapping[str, Any]]) -> str:
    """Returns a line per run and stage: result, change, pushed version.

    Args:
        runs: summaries, the newest first. A change is from the run before it, of the
            same pipeline, that measured the stage.
    """
    if not runs:
        return "no runs"
    heads = ["RUN", "STATUS", "STARTED", "TOOK", "STAGE", "RESULT", "CHANGE", "PUSHED"]
    rows = []
    for position, run in enumerate(runs):
        facts = [
            run["run_id"],
            run["status"],
            render_time(run["started"]),
            render_duration(run.get("seconds")),
        ]
        stages = [_stage(name, runs[position:]) for name in run["stages"]]
        for index, stage in enumerate(stages or [[""] * 4]):
            rows.append([*(facts if index == 0 else [""] * 4), *stage])
    return visible(render_table([heads, *rows]))


def _stage(name: str, runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns a stage's name, main metric, change and version in the first of runs."""
    stage = runs[0]["stages"][name]
    metric = headline_metric(None, stage["metrics"] or {})
    version = (stage["pushed"] or "").rpartition("/")[2]
    if metric is None:
        return [name, "", "", version]
    value = stage["metrics"][metric]
    change = ""
    for run in runs[1:]:
        earlier = (run["stages"].get(name) or {}).get("metrics") or {}
        if run.get("name") == runs[0].get("name") and metric in earlier:
            change = _difference(earlier[metric], value)
            break
    return [name, f"{metric} {value:.4g}", change, version]


def _difference(before: float, after: float) -> str:
    return "same" if before == after else f"{after - before:+.4g}"


def render_comparison(before: str, after: str, comparison: RunComparison) -> str:
    """Returns tables of the differences between two runs."""
    sections = [
        _section("CONFIG", comparison.config),
        _section("DATA", comparison.data),
        _section("CODE", comparison.code),
        _metrics(comparison.metrics),
        _section("PUSHED", comparison.pushed),
    ]
    tables = [section for section in sections if section]
    tables = tables or ["The same config, data, code, metrics and pushed versions."]
    return visible("\n\n".join([f"{before} -> {after}", *tables]))


def _section(title: str, changes: Sequence[Change]) -> str:
    if not changes:
        return ""
    rows = [[c.name, _show(c.before), _show(c.after)] for c in changes]
    return render_table([[title, "BEFORE", "AFTER"], *rows])


def _metrics(changes: Sequence[Change]) -> str:
    if not changes:
        return ""
    rows = [list(_metric(change)) for change in changes]
    return render_table([["METRIC", "BEFORE", "AFTER", "CHANGE"], *rows])


def _metric(change: Change) -> Iterator[str]:
    yield change.name.replace(".", ", ", 1)
    values = (change.before, change.after)
    are_numbers = all(isinstance(value, int | float) for value in values)
    for value in values:
        is_number = isinstance(value, int | float)
        yield f"{value:.4g}" if is_number else _show(value)
    yield _difference(*values) if are_numbers else ""


def _show(value: Any) -> str:
    """Returns a value in a cell; a run without it has a dash."""
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 3] + "..."
