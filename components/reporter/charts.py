"""Geometry of the page's drawings: where boxes, lines, bars and ticks lie.

Charts are in percent of their frame, so that a page of any width stretches the lines
but never the text; the graph is in pixels, because its boxes hold text.
"""

from __future__ import annotations

import graphlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

BOX_WIDTH, BOX_HEIGHT = 94, 40
COLUMN, ROW, GUTTER, LANE_PADDING = 114, 52, 76, 12


@dataclass(frozen=True)
class Box:
    """A node: its word before the dot, and its upper left corner."""

    node: str
    title: str
    x: int
    y: int


@dataclass(frozen=True)
class Lane:
    """The nodes of one data set or stage, side by side."""

    title: str
    y: int
    height: int


@dataclass(frozen=True)
class Graph:
    """A drawn graph: data flows to the right, a lane for each data set or stage."""

    width: int
    height: int
    boxes: list[Box]
    lanes: list[Lane]
    paths: list[str]


def draw_graph(edges: Mapping[str, Iterable[str]]) -> Graph:
    """Places every node by the longest path that leads to it."""
    graph = reduce_edges(edges)
    column: dict[str, int] = {}
    for node, upstream in graph.items():
        column[node] = 1 + max((column[other] for other in upstream), default=-1)
    row, lanes = _rows(graph, column)
    boxes = [
        Box(
            node,
            node.partition(".")[0],
            GUTTER + column[node] * COLUMN,
            row[node],
        )
        for node in graph
    ]
    place = {box.node: box for box in boxes}
    return Graph(
        width=GUTTER + max(column.values(), default=0) * COLUMN + BOX_WIDTH + 2,
        height=sum(lane.height for lane in lanes),
        boxes=boxes,
        lanes=lanes,
        paths=[
            _path(place[source], place[node], boxes)
            for node, upstream in graph.items()
            for source in upstream
        ],
    )


def reduce_edges(edges: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Returns the graph in topological order without the edges that a path implies."""
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


def _rows(
    graph: Mapping[str, Sequence[str]], column: Mapping[str, int]
) -> tuple[dict[str, int], list[Lane]]:
    """Gives every node a height: lanes by first column, and in a lane the first free
    row from its own upstream's on."""
    first: dict[str, int] = {}
    for node in graph:
        lane = node.partition(".")[2]
        first[lane] = min(first.get(lane, column[node]), column[node])
    within: dict[str, int] = {}
    taken: set[tuple[str, int, int]] = set()
    for node, upstream in graph.items():
        lane = node.partition(".")[2]
        row = min((within[u] for u in upstream if _same_lane(u, node)), default=0)
        while (lane, column[node], row) in taken:
            row += 1
        taken.add((lane, column[node], row))
        within[node] = row
    lanes, tops, y = [], {}, 0
    for lane in sorted(first, key=first.__getitem__):
        rows = 1 + max(row for name, _, row in taken if name == lane)
        height = rows * ROW - (ROW - BOX_HEIGHT) + 2 * LANE_PADDING
        lanes.append(Lane(lane, y, height))
        tops[lane] = y + LANE_PADDING
        y += height
    return {
        node: tops[node.partition(".")[2]] + within[node] * ROW for node in graph
    }, lanes


def _same_lane(one: str, other: str) -> bool:
    return one.partition(".")[2] == other.partition(".")[2]


def _path(source: Box, target: Box, boxes: Sequence[Box]) -> str:
    """Runs level along the source's row and bends just before the target, unless a box
    stands in that row: then it bends at once."""
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
    """A labelled place on an axis, in percent from its start."""

    at: float
    value: float


@dataclass(frozen=True)
class Line:
    """A curve as the points of a polyline, and the height of its label."""

    name: str
    points: str
    last: float
    x: float
    y: float
    label_y: float


@dataclass(frozen=True)
class Plot:
    """Curves over one pair of axes; y counts from the top."""

    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


def draw_plot(
    series: Mapping[str, Sequence[Sequence[float]]], *, label_gap: float = 10
) -> Plot:
    """Scales curves of ``[step, value]`` to axes that end on round numbers."""
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


def round_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Returns about ``count`` steps of 1, 2 or 5 powers of ten around a range."""
    if low == high:
        low, high = low - abs(low or 1) / 2, high + abs(high or 1) / 2
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Moves heights in [0, 100] apart until neighbours are ``gap`` from each other."""
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    moved, floor = dict.fromkeys(order, 0.0), -math.inf
    for index in order:
        floor = moved[index] = max(heights[index], floor + gap)
    ceiling = 100.0
    for index in reversed(order):
        moved[index] = min(moved[index], ceiling)
        ceiling = moved[index] - gap
    return [round(moved[index], 2) for index in range(len(heights))]
