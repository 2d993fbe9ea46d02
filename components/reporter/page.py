"""The page: facts become one HTML file that needs nothing but itself.

The template escapes everything; what is drawn is placed by ``charts`` beforehand.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from textmill.components.reporter.charts import draw_graph, draw_plot
from textmill.components.reporter.dataset_section import describe_data_set
from textmill.components.reporter.headline import (
    UNIT_METRICS,
    beaten,
    duration,
    headline_metric,
    interval,
    judge,
)

TEMPLATE = "page.html.j2"
METRIC_ORDER = ("accuracy", "macro_f1", "macro_precision", "macro_recall")
LANGUAGE_METRIC_ORDER = ("loss", "perplexity", "bits_per_byte")
MAX_MATRIX = 30
"""Classes up to which a confusion matrix is drawn; beyond, only its mistakes."""
NUM_MISTAKES = 6


def render_report(data: Mapping[str, Any]) -> str:
    """Returns the page about a report's data; the same bytes for the same data."""
    return _render(data, None)


def render_run(data: Mapping[str, Any] | None, summary: Mapping[str, Any]) -> str:
    """Returns the page about a run: its states and times, and its report if any.

    Nodes of the summary may name their ``error``, and their ``upstream``, which draws
    the graph of a run that ended before its report.
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
        "beaten": beaten,
        "count": count,
    }
    nodes = summary["nodes"] if summary else {}
    edges = _edges(data, nodes)
    title = data["title"] if data else (summary or {}).get("name")
    return environment.get_template(TEMPLATE).render(
        title=title or (summary or {}).get("run_id", "Textmill"),
        run=summary,
        nodes={name: _node(node) for name, node in nodes.items()},
        verdict=judge(data, summary),
        graph=draw_graph(edges) if edges else None,
        stages=[_stage(stage) for stage in data["stages"]] if data else [],
        profiles=[describe_data_set(one) for one in data["profiles"]] if data else [],
        lineage=data["lineage"] if data else [],
        unit_metrics=UNIT_METRICS,
    )


def _edges(
    data: Mapping[str, Any] | None, nodes: Mapping[str, Mapping[str, Any]]
) -> dict[str, Sequence[str]]:
    if data:
        return {entry["node"]: entry["upstream"] for entry in data["graph"]}
    known = {
        name: node["upstream"] for name, node in nodes.items() if "upstream" in node
    }
    return known if len(known) == len(nodes) else {}


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
    headline = headline_metric(task, metrics)
    order = METRIC_ORDER if headline == "accuracy" else LANGUAGE_METRIC_ORDER
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
            (name, interval(metrics[name])) for name in _ordered(metrics, order)
        ],
        "plots": _plots(stage["curves"]),
        "confusion": _confusion(labels, evaluation.get("confusion")),
        "per_class": _per_class(labels, evaluation.get("per_class") or {}),
        "slices": {
            column: [(value, _slice(metrics)) for value, metrics in values.items()]
            for column, values in (evaluation.get("slices") or {}).items()
        },
        "samples": evaluation.get("samples") or [],
    }


def _ordered(names: Iterable[str], order: Sequence[str]) -> list[str]:
    first = [name for name in order if name in names]
    return first + sorted(name for name in names if name not in order)


def _facts(model: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Returns what a model is, as pairs of a word and a value."""
    shape = dict(model.get("model") or {})
    facts = {
        "family": shape.pop("family", None),
        "parameters": model.get("parameters"),
        **shape,
        "labels": len(model.get("labels") or ()) or None,
    }
    return [
        (name, value)
        for name, value in facts.items()
        if isinstance(value, str | int | float)
    ]


def _plots(curves: Mapping[str, Sequence[Sequence[float]]]) -> list[dict[str, Any]]:
    """Groups ``train/loss`` and ``eval/loss`` into one plot; the loss comes first.

    A quantity that was only seen once is no curve.
    """
    groups: dict[str, dict[str, Sequence[Sequence[float]]]] = {}
    for name, points in sorted(curves.items(), reverse=True):
        split, _, quantity = name.rpartition("/")
        groups.setdefault(quantity, {})[split] = points
    drawn = [name for name in groups if max(map(len, groups[name].values())) > 1]
    order = _ordered(drawn, ("loss", "accuracy", "learning_rate"))
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


def _slice(metrics: Mapping[str, Any]) -> dict[str, Any]:
    name = headline_metric(None, {k: v for k, v in metrics.items() if k != "rows"})
    return {
        "rows": metrics["rows"],
        "metric": name,
        "interval": interval(metrics[name]) if name else None,
    }


def number(value: float) -> str:
    """Returns a number with as many digits as a reader can use."""
    if isinstance(value, int):
        return f"{value:,}"
    size_of = abs(value)
    if size_of < 0.001:
        return f"{value:.2g}"
    decimals = next(
        (d for d, top in ((3, 10), (2, 100), (1, 1000)) if size_of < top), 0
    )
    return f"{value:,.{decimals}f}"


def count(value: float) -> str:
    """Returns a tick's number: ``1,000``, ``0.25``."""
    return f"{value:,g}"


def size(num_bytes: int) -> str:
    """Returns ``512 B``, ``3.2 kB`` or ``1.4 GB``."""
    value = float(num_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def words(name: str) -> str:
    """Returns a name of the config or of a metric as a reader says it."""
    spoken = {"f1": "F1", "lm": "LM"}
    return " ".join(spoken.get(word, word) for word in name.split("_"))


def sign(rule: str) -> str:
    """Returns a threshold's rule with its mathematical signs."""
    return rule.replace(">=", "≥").replace("<=", "≤")
