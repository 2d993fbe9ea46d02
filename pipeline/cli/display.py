"""Renders plans, runs and predictions for the terminal, as plain text."""

from __future__ import annotations

import shlex
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill.components.predictor.answers import top_terms
from textmill.components.reporter.formats import duration
from textmill.components.reporter.headline import order_baselines, summarize
from textmill.components.reporter.measures import cautions, headline_metric, measured_on
from textmill.components.versions import current_version
from textmill.pipeline.pipeline import subject_of
from textmill.pipeline.progress import visible

if TYPE_CHECKING:
    from textmill.pipeline.cache.plan import NodePlan

_NO_BREAK = "\u00a0"
_NUM_LABELS = 5
_BOUNDS = ("low", "high")
_DATA_STEPS = ("ingest.", "profile.")


def render_table(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def wrap(text: str, width: int | None) -> list[str]:
    """Returns the lines of a text that is broken between words; one without a width.

    Words that are joined by a no-break space stay on one line.
    """
    if width is None:
        return [text.replace(_NO_BREAK, " ")]
    lines = textwrap.wrap(
        text, max(width, 20), break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(_NO_BREAK, " ") for line in lines] or [""]


def terminal_width() -> int | None:
    """Returns the number of columns of standard output; None without a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def render_plan(nodes: Sequence[NodePlan], stages: Sequence[str] = ()) -> str:
    """Returns one line per node: its id, its expected state, and why.

    Args:
        nodes: the plan.
        stages: the stages of the file, which get a line each if there are several.
    """
    rows = []
    for node in nodes:
        first, *others = node.reasons or [""]
        rows.append([node.id, node.state, first])
        rows += [["", "", reason] for reason in others]
    up_to_date = sum(node.state == "cached" for node in nodes)
    table = render_table([["NODE", "STATE", "WHY"], *rows])
    total = f"{up_to_date} of {len(nodes)} nodes are up to date."
    return "\n\n".join(filter(None, [table, _plan_of_stages(nodes, stages), total]))


def _plan_of_stages(nodes: Sequence[NodePlan], stages: Sequence[str]) -> str:
    """Returns a line a stage, where there are several: the nodes that would run."""
    if len(stages) < 2:
        return ""
    rows = []
    for stage in stages:
        own = [node for node in nodes if subject_of(node.id) == stage]
        states = [n.state for n in own if not n.id.startswith(_DATA_STEPS)]
        num_open = sum(state != "cached" for state in states)
        text = f"{num_open} of {len(states)} nodes" if num_open else "up to date"
        rows.append([stage, text])
    return render_table([["STAGE", "TO RUN"], *rows])


def render_run(
    summary: Mapping[str, Any],
    root: Path,
    *,
    is_default_root: bool = False,
    with_messages: bool = True,
    width: int | None = None,
) -> str:
    """Returns the results of a run, their paths, and the next step.

    Args:
        summary: as in ``summary.json``.
        root: the folder that the summary's paths are relative to.
        is_default_root: True if commands find the root without ``--root``.
        with_messages: False if progress has shown the errors and notes of nodes.
        width: columns to break lines at, between words.
    """
    option = "" if is_default_root else f"--root {shlex.quote(str(root))} "
    headline = summarize(
        None,
        summary,
        root_option=option.rstrip(),
        served={name: v for name in summary["stages"] if (v := _served(name, root))},
    )
    rows = [row for name in summary["stages"] for row in _stage(name, summary, root)]
    rows += [row for row in _report(summary, root) if row]
    next_steps = [
        ["next", f"textmill predict {_model(name, stage['pushed'], root, option)}"]
        for name, stage in summary["stages"].items()
        if stage["pushed"]
    ]
    if headline.next_step:
        next_steps = [["next", headline.next_step]]
    messages = headline.messages if with_messages else []
    sentences = [headline.title, *messages, *headline.details]
    paragraph = "\n".join(line for text in sentences for line in wrap(text, width))
    table = _results([*rows, *next_steps], width)
    return visible("\n\n".join(filter(None, [paragraph, table])))


def _results(rows: Sequence[Sequence[str]], width: int | None) -> str:
    """Returns names and texts as a table, whose texts are broken between words."""
    if not rows:
        return ""
    left = max(len(name) for name, _ in rows) + 2
    lines = []
    for name, text in rows:
        first, *others = wrap(text, width and width - left)
        lines += [[name, first], *(["", line] for line in others)]
    return render_table(lines)


def _stage(name: str, summary: Mapping[str, Any], root: Path) -> Iterator[list[str]]:
    stage = summary["stages"][name]
    gates = {True: "passed its gate", False: "did not pass its gate", None: ""}
    bounds = stage.get("intervals", {})
    metrics = [
        _metric(metric, value, bounds.get(metric))
        for metric, value in (stage["metrics"] or {}).items()
    ]
    text = ", ".join(metrics) or "not measured"
    if measured := measured_on(stage.get("task"), stage):
        text = f"on {measured}: {text}"
    yield [name, "; ".join(filter(None, [text, gates[stage["blessed"]]]))]
    if absent := stage.get("absent_labels"):
        yield ["", f"labels without a row there: {_listing(absent)}"]
    if folds := stage.get("folds"):
        yield ["", _folds(stage.get("task"), folds)]
    yield from (["", sentence] for sentence in cautions(stage))
    if sentence := stage.get("model", {}).get("sentence"):
        yield ["", sentence]
    baselines = stage.get("baselines", {})
    yield from (["", _baseline(k, baselines[k])] for k in order_baselines(baselines))
    if confident := stage.get("calibration", {}).get("confident"):
        yield ["", _confident(confident)]
    if stage["pushed"]:
        yield ["", f"pushed to {root / stage['pushed']}"]
        current = _other_version(stage["pushed"], root)
        if current is not None:
            yield [
                "",
                f"version {current} is the current one: `textmill predict {name}` "
                "uses that one",
            ]


def _listing(labels: Sequence[str]) -> str:
    shown = ", ".join(map(repr, labels[:_NUM_LABELS]))
    more = len(labels) - _NUM_LABELS
    return f"{shown} and {more} more" if more > 0 else shown


def _model(name: str, pushed: str, root: Path, option: str) -> str:
    """Returns the arguments by which ``predict`` asks the model of a run."""
    if _other_version(pushed, root) is not None:
        return f'{shlex.quote(str(root / pushed))} "your text"'
    return f'{option}{name} "your text"'


def _served(stage: str, root: Path) -> str | None:
    """Returns the current version of a stage, if there is one."""
    current = current_version(root / "pushed" / stage)
    return None if current is None else current.name


def _other_version(pushed: str, root: Path) -> str | None:
    """Returns the current version of a stage, if it is another than the given one."""
    version = root / pushed
    current = current_version(version.parent)
    return None if current in (None, version) else current.name


def _folds(task: str | None, folds: Mapping[str, Any]) -> str:
    """Returns the main metric of the documents of all folds, and its range by fold."""
    metric = headline_metric(task, folds["metrics"])
    assert metric is not None
    values = [fold["metrics"][metric] for fold in folds["by_fold"].values()]
    measured = _metric(metric, folds["metrics"][metric], folds["intervals"][metric])
    return (
        f"{len(values)} folds: {measured} on {folds['rows']:,} documents, each "
        f"answered by a model that has not seen its fold; {min(values):.4g} to "
        f"{max(values):.4g} by fold"
    )


def _baseline(name: str, measured: Mapping[str, Any]) -> str:
    """Returns the main metric of a baseline, and how far the model is from it."""
    metric = headline_metric(None, measured["metrics"])
    assert metric is not None
    value = measured["metrics"][metric]
    difference = measured["differences"][metric]
    bounds = f"[{difference['low']:+.4g}, {difference['high']:+.4g}]"
    return (
        f"{name} baseline: {_metric(metric, value, measured['intervals'][metric])}; "
        f"this model {difference['value']:+.4g} {bounds}"
    )


def _confident(measured: Mapping[str, Any]) -> str:
    """Returns the coverage of confident answers, and the error among them."""
    coverage, error = (
        _metric(name, measured[name]["value"], [measured[name][k] for k in _BOUNDS])
        for name in ("coverage", "error")
    )
    return f"confident answers: {coverage}, {error}"


def _metric(name: str, value: float, bounds: Sequence[float] | None) -> str:
    text = f"{name} {value:.4g}"
    if bounds:
        text += f" [{bounds[0]:.4g}, {bounds[1]:.4g}]"
    return text.replace(" ", _NO_BREAK)


def _report(summary: Mapping[str, Any], root: Path) -> Iterator[list[str]]:
    page = root / "runs" / summary["run_id"] / "report.html"
    if page.is_file():
        yield ["report", str(page)]


def render_executions(
    summary: Mapping[str, Any], root: Path, *, is_default_root: bool = False
) -> str:
    """Returns one line per node of a run, and the results, as ``render_run``."""
    title = f"{summary['run_id']}: {summary['status']}"
    rows = [
        [id, node["state"], render_duration(node.get("seconds"))]
        for id, node in summary["nodes"].items()
    ]
    table = render_table([["NODE", "STATE", "TOOK"], *rows])
    results = render_run(
        summary, root, is_default_root=is_default_root, width=terminal_width()
    )
    return "\n\n".join([title, table, results])


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
        if name == "because":
            rows.append([name, ""])
            rows += [[f"  {n}", f"{w:+7.2f}"] for n, w in top_terms(value).items()]
        elif isinstance(value, Mapping):
            ranked = sorted(value.items(), key=lambda item: (-item[1], item[0]))
            rows += [[f"  {label}", f"{share:7.2%}"] for label, share in ranked]
        elif isinstance(value, bool):
            rows.append([name, "yes" if value else "no"])
        elif isinstance(value, float):
            rows.append([name, f"{value:.4g}"])
        elif name == "spans":
            rows += _render_spans(value)
        elif isinstance(value, list) and all(isinstance(v, str) for v in value):
            rows.append([name, ", ".join(value) or "(none)"])
        else:
            rows.append([name, str(value)])
    table = render_table(rows)
    return visible(table if is_only_one else f"> {text}\n{table}\n")


def _render_spans(spans: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Returns a row for each span: its text, label, characters and score."""
    if not spans:
        return [["spans", "(none)"]]
    return [
        [
            f"  {span['text']}",
            f"{span['label']}  {span['start']}-{span['end']}  {span['score']:.2%}",
        ]
        for span in spans
    ]
