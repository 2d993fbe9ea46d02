"""Geometry of the page's charts: positions of boxes, lines, bars and ticks.

Plots are in percent of their frame, so that a wide page stretches the lines but not the
text. The graph is in pixels, because its boxes contain text.
"""

from __future__ import annotations

import graphlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from textmill.components.reporter.formats import number

BOX_WIDTH, BOX_HEIGHT = 94, 40
COLUMN, ROW, GUTTER, SWIMLANE_PADDING = 114, 52, 76, 12


@dataclass(frozen=True)
class Box:
    """A node: its name up to the dot, and its upper left corner."""

    node: str
    title: str
    x: int
    y: int


@dataclass(frozen=True)
class Swimlane:
    """The band of the drawing with the nodes of one data set or stage."""

    title: str
    y: int
    height: int


@dataclass(frozen=True)
class Graph:
    """A drawn graph: data flows to the right, one swimlane per data set or stage."""

    width: int
    height: int
    boxes: list[Box]
    swimlanes: list[Swimlane]
    paths: list[str]


def draw_graph(edges: Mapping[str, Iterable[str]]) -> Graph:
    """Places every node in the column of its longest path from a source."""
    graph = reduce_edges(edges)
    column: dict[str, int] = {}
    for node, upstream in graph.items():
        column[node] = 1 + max((column[other] for other in upstream), default=-1)
    top, swimlanes = _place_rows(graph, column)
    boxes = [
        Box(
            node,
            node.partition(".")[0],
            GUTTER + column[node] * COLUMN,
            top[node],
        )
        for node in graph
    ]
    place = {box.node: box for box in boxes}
    return Graph(
        width=GUTTER + max(column.values(), default=0) * COLUMN + BOX_WIDTH + 2,
        height=sum(swimlane.height for swimlane in swimlanes),
        boxes=boxes,
        swimlanes=swimlanes,
        paths=[
            _path(place[source], place[node], boxes)
            for node, upstream in graph.items()
            for source in upstream
        ],
    )


def describe_graph(edges: Mapping[str, Iterable[str]]) -> str:
    """Returns the graph in words: every node and those that it follows."""
    parts = [
        f"{node} after {' and '.join(upstream)}" if upstream else f"{node} first"
        for node, upstream in reduce_edges(edges).items()
    ]
    return f"The pipeline's graph: {'; '.join(parts)}."


def reduce_edges(edges: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Returns the transitive reduction of a graph, in topological order."""
    upstream = {node: list(others) for node, others in edges.items()}
    order = list(graphlib.TopologicalSorter(upstream).static_order())
    ancestors: dict[str, set[str]] = {}
    for node in order:
        parents = upstream.get(node, [])
        ancestors[node] = set(parents).union(*(ancestors[p] for p in parents))
    return {
        node: [
            parent
            for parent in upstream.get(node, [])
            if not any(parent in ancestors[other] for other in upstream[node])
        ]
        for node in order
    }


def _place_rows(
    graph: Mapping[str, Sequence[str]], column: Mapping[str, int]
) -> tuple[dict[str, int], list[Swimlane]]:
    """Returns the top of every node's box, and the swimlanes.

    Swimlanes are in the order of their first column. A node takes the first free row of
    its swimlane, from the highest row of its inputs in the same swimlane on.
    """
    first_column: dict[str, int] = {}
    for node in graph:
        name = _swimlane(node)
        first_column[name] = min(first_column.get(name, column[node]), column[node])
    rows: dict[str, int] = {}
    taken: set[tuple[str, int, int]] = set()
    for node, upstream in graph.items():
        name = _swimlane(node)
        row = min((rows[u] for u in upstream if _swimlane(u) == name), default=0)
        while (name, column[node], row) in taken:
            row += 1
        taken.add((name, column[node], row))
        rows[node] = row
    swimlanes, tops, y = [], {}, 0
    for name in sorted(first_column, key=first_column.__getitem__):
        num_rows = 1 + max(row for other, _, row in taken if other == name)
        height = num_rows * ROW - (ROW - BOX_HEIGHT) + 2 * SWIMLANE_PADDING
        swimlanes.append(Swimlane(name, y, height))
        tops[name] = y + SWIMLANE_PADDING
        y += height
    return {node: tops[_swimlane(node)] + rows[node] * ROW for node in graph}, swimlanes


def _swimlane(node: str) -> str:
    """Returns ``spam``, the data set or stage of ``train.spam`` or ``train.spam.1``."""
    return node.partition(".")[2].partition(".")[0]


def _path(source: Box, target: Box, boxes: Sequence[Box]) -> str:
    """Returns an edge as an SVG path.

    It follows the source's row and bends just before the target, or right after the
    source if another box is in the way.
    """
    x1, y1 = source.x + BOX_WIDTH, source.y + BOX_HEIGHT // 2
    x2, y2 = target.x, target.y + BOX_HEIGHT // 2
    if y1 == y2:
        return f"M{x1} {y1}H{x2}"
    blocked = any(box.y == source.y and source.x < box.x < target.x for box in boxes)
    bend = x1 if blocked else x2 - (COLUMN - BOX_WIDTH)
    end, middle = bend + COLUMN - BOX_WIDTH, bend + (COLUMN - BOX_WIDTH) // 2
    return f"M{x1} {y1}H{bend}C{middle} {y1} {middle} {y2} {end} {y2}H{x2}"


@dataclass(frozen=True)
class Tick:
    """A labelled position on an axis, in percent from its start."""

    position: float
    value: float


@dataclass(frozen=True)
class Line:
    """A curve: points of a polyline, its last value, and its label's height."""

    name: str
    points: str
    last: float
    x: float
    y: float
    label_y: float


@dataclass(frozen=True)
class Plot:
    """Curves over one pair of axes; y is measured from the top."""

    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


def draw_plot(
    series: Mapping[str, Sequence[Sequence[float]]], *, label_gap: float = 10
) -> Plot:
    """Scales curves of ``[step, value]`` to axes with round ends."""
    values = [value for points in series.values() for _, value in points]
    y_ticks = round_ticks(min(values), max(values))
    low, high = y_ticks[0], y_ticks[-1]
    last_step = max(step for points in series.values() for step, _ in points)
    x_ticks = [tick for tick in round_ticks(0, last_step) if tick <= last_step]

    def place(step: float, value: float) -> tuple[float, float]:
        x = 100 * step / last_step if last_step else 100.0
        return round(x, 2), round(100 * (high - value) / (high - low), 2)

    placed = {name: [place(*point) for point in series[name]] for name in series}
    label_ys = spread([points[-1][1] for points in placed.values()], label_gap)
    return Plot(
        lines=[
            Line(
                name,
                " ".join(f"{x:g},{y:g}" for x, y in points),
                series[name][-1][1],
                *points[-1],
                label_y,
            )
            for (name, points), label_y in zip(placed.items(), label_ys, strict=True)
        ],
        x_ticks=[Tick(place(tick, low)[0], tick) for tick in x_ticks],
        y_ticks=[Tick(place(0, tick)[1], tick) for tick in y_ticks],
    )


def describe_plot(
    title: str, series: Mapping[str, Sequence[Sequence[float]]], *, axis: str = "step"
) -> str:
    """Returns curves in words: first, last and extreme values with their steps."""
    lines = "; ".join(_describe_line(*s, axis) for s in series.items())
    return f"{title} by {axis}: {lines}."


def _describe_line(name: str, points: Sequence[Sequence[float]], axis: str) -> str:
    def at(point: Sequence[float]) -> str:
        return f"{number(point[1])} at {axis} {point[0]:,g}"

    if len(points) == 1:
        return f"{name} {at(points[0])}"
    lowest = min(points, key=lambda point: point[1])
    highest = max(points, key=lambda point: point[1])
    return (
        f"{name} from {at(points[0])} to {at(points[-1])}, lowest {at(lowest)}, "
        f"highest {at(highest)}"
    )


def round_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Returns about ``count`` round numbers that cover a range.

    Their distance is 1, 2 or 5 times a power of ten.
    """
    if low == high:
        low, high = low - abs(low or 1) / 2, high + abs(high or 1) / 2
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Moves heights in [0, 100] until neighbours are at least ``gap`` apart."""
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    moved, floor = dict.fromkeys(order, 0.0), -math.inf
    for index in order:
        floor = moved[index] = max(heights[index], floor + gap)
    ceiling = 100.0
    for index in reversed(order):
        moved[index] = min(moved[index], ceiling)
        ceiling = moved[index] - gap
    return [round(moved[index], 2) for index in range(len(heights))]
