"""Renders a report's data, a run's summary, or both to one self-contained HTML file.

The templates escape every value; ``charts`` computes the positions of what is drawn.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textmill.components.reporter.charts import describe_graph, draw_graph
from textmill.components.reporter.dataset_section import describe_data_set
from textmill.components.reporter.formats import (
    count,
    duration,
    number,
    sign,
    signed,
    size,
    words,
)
from textmill.components.reporter.headline import comparison, summarize
from textmill.components.reporter.measures import is_fraction
from textmill.components.reporter.stage_section import describe_stage

TEMPLATE = "page.html.j2"


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
    run = summary or {}
    nodes = run.get("nodes", {})
    edges = _edges(data, nodes)
    title = data["title"] if data else run.get("name")
    values = {
        "title": title or run.get("run_id", "Textmill"),
        "run": summary,
        "started": _date(run.get("started")),
        "took": run.get("seconds"),
        "environment": run.get("environment"),
        "nodes": {name: _node(node) for name, node in nodes.items()},
        "headline": summarize(data, summary),
        "graph": draw_graph(edges) if edges else None,
        "graph_description": describe_graph(edges),
        "stages": [describe_stage(stage) for stage in data["stages"]] if data else [],
        "profiles": [describe_data_set(p) for p in data["profiles"]] if data else [],
        "lineage": data["lineage"] if data else [],
    }
    contents = list(_contents(values))
    return _environment().get_template(TEMPLATE).render(values, contents=contents)


def _environment() -> Any:
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
        "signed": signed,
        "comparison": comparison,
        "is_fraction": is_fraction,
        "count": count,
    }
    return environment


def _contents(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns id and title of every section after the first."""
    fixed = (("nodes", "Nodes"), ("run", "Run"), ("lineage", "Lineage"))
    return [
        *([("graph", "Graph")] if values["graph"] else []),
        *((f"stage-{stage['name']}", stage["name"]) for stage in values["stages"]),
        *((f"data-{p['name']}", p["name"]) for p in values["profiles"]),
        *(entry for entry in fixed if values[entry[0]]),
    ]


def _date(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


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
