"""Renders a report's data, a run's summary, or both to one self-contained HTML file.

The templates escape every value; ``charts`` computes the positions of what is drawn.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textmill.components.reporter.charts import draw_graph, draw_plot
from textmill.components.reporter.dataset_section import describe_data_set
from textmill.components.reporter.headline import (
    comparison,
    duration,
    headline_metric,
    interval,
    is_fraction,
    order_metrics,
    summarize,
)

TEMPLATE = "page.html.j2"
MAX_MATRIX = 30
"""Most classes of a drawn confusion matrix; with more, only mistakes are listed."""
NUM_MISTAKES = 6
FIRST_PLOTS = ("loss", "accuracy", "learning_rate")


def render_report(data: Mapping[str, Any]) -> str:
    """Returns the page of a report's data; the same bytes for the same data."""
    return _render(data, None)


def render_run(data: Mapping[str, Any] | None, summary: Mapping[str, Any]) -> str:
    """Returns the page of a run: states and times of its nodes, and its report if any.

    Nodes of the summary may have ``error``, and ``upstream``, from which the graph of a
    run without a report is drawn.
    """
    return _render(data, summary)


def _render(data: Mapping[str, Any] | None, summary: Mapping[str, Any] | None) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": number,
        "duration": duration,
        "size": size,
        "words": words,
        "sign": sign,
        "comparison": comparison,
        "is_fraction": is_fraction,
        "count": count,
    }
    nodes = summary["nodes"] if summary else {}
    edges = _edges(data, nodes)
    title = data["title"] if data else (summary or {}).get("name")
    return environment.get_template(TEMPLATE).render(
        title=title or (summary or {}).get("run_id", "Textmill"),
        run=summary,
        nodes={name: _node(node) for name, node in nodes.items()},
        headline=summarize(data, summary),
        graph=draw_graph(edges) if edges else None,
        stages=[_stage(stage) for stage in data["stages"]] if data else [],
        profiles=[describe_data_set(p) for p in data["profiles"]] if data else [],
        lineage=data["lineage"] if data else [],
    )


def _edges(
    data: Mapping[str, Any] | None, nodes: Mapping[str, Mapping[str, Any]]
) -> dict[str, Sequence[str]]:
    if data:
        return {entry["node"]: entry["upstream"] for entry in data["graph"]}
    upstream = {
        name: node["upstream"] for name, node in nodes.items() if "upstream" in node
    }
    return upstream if len(upstream) == len(nodes) else {}


def _node(node: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "state": node["state"],
        "seconds": node.get("seconds"),
        "key": node.get("key") or "",
        "outputs": list((node.get("outputs") or {}).values()),
    }


def _stage(stage: Mapping[str, Any]) -> dict[str, Any]:
    evaluation = stage["evaluation"] or {}
    model = stage["model"] or {}
    task = model.get("task") or evaluation.get("task")
    metrics = evaluation.get("metrics", {})
    labels = evaluation.get("labels") or []
    subtitle = [words(task)] if task else []
    if "rows" in evaluation:
        subtitle.append(f"{evaluation['rows']:,} rows of {evaluation.get('split')}")
    return {
        "name": stage["name"],
        "subtitle": " · ".join(subtitle),
        "facts": _facts(model),
        "thresholds": evaluation.get("thresholds") or [],
        "metrics": [
            (name, interval(metrics[name])) for name in order_metrics(task, metrics)
        ],
        "plots": _plots(stage["curves"]),
        "confusion": _confusion(labels, evaluation.get("confusion")),
        "per_class": _per_class(labels, evaluation.get("per_class") or {}),
        "slices": {
            column: [(value, _slice(task, values[value])) for value in values]
            for column, values in (evaluation.get("slices") or {}).items()
        },
        "samples": evaluation.get("samples") or [],
    }


def _facts(model: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Returns names and values of a model's shape."""
    shape = dict(model.get("model") or {})
    facts = {
        "family": shape.pop("family", None),
        "parameters": model.get("parameters"),
        **shape,
        "labels": len(model.get("labels") or ()) or None,
    }
    return [
        (name, "yes" if value is True else value)
        for name, value in facts.items()
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
    return [{"title": name, "plot": draw_plot(groups[name])} for name in order]


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


def number(value: float) -> str:
    """Formats a number with three or four significant digits."""
    if isinstance(value, int):
        return f"{value:,}"
    magnitude = abs(value)
    if magnitude < 0.001:
        return f"{value:.2g}"
    decimals = next(
        (d for d, limit in ((3, 10), (2, 100), (1, 1000)) if magnitude < limit), 0
    )
    return f"{value:,.{decimals}f}"


def count(value: float) -> str:
    """Formats the number of an axis tick: ``1,000``, ``0.25``."""
    return f"{value:,g}"


def size(num_bytes: int) -> str:
    """Formats a number of bytes: ``512 B``, ``3.2 kB``, ``1.4 GB``."""
    value = float(num_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def words(name: str) -> str:
    """Returns a name of the config or of a metric in words: ``macro F1``."""
    abbreviations = {"f1": "F1", "lm": "LM"}
    return " ".join(abbreviations.get(word, word) for word in name.split("_"))


def sign(rule: str) -> str:
    """Returns a threshold's rule with mathematical signs."""
    return rule.replace(">=", "≥").replace("<=", "≤")
