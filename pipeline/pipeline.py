"""Pipeline: components wired into a graph, checked before anything runs."""

from __future__ import annotations

import graphlib
import heapq
import re
from collections.abc import Iterable, Mapping, Sequence

from textmill.components.base import Channel, Component, channels
from textmill.models.errors import ConfigError, did_you_mean

_ID = re.compile(r"\w[\w.-]*")


class Pipeline:
    """A named graph of components, in a fixed topological order.

    Attributes:
        nodes: every component, upstream first, otherwise in order of declaration.
        selected: the ids of the nodes to bring up to date; from all others only
            published artifacts are used.
    """

    def __init__(self, name: str, nodes: Sequence[Component]) -> None:
        """Checks and orders a graph.

        Raises:
            ConfigError: an id is invalid or repeated, an input's producer is missing,
                or the graph has a cycle.
        """
        self.name = name
        self._by_id: dict[str, Component] = {}
        for node in nodes:
            if not _ID.fullmatch(node.id):
                raise ConfigError(
                    f"node {node.id!r}: expected letters, digits, '_', '-' and '.', "
                    "because the id names a folder"
                )
            if node.id in self._by_id:
                raise ConfigError(f"node {node.id!r}: the id is used twice")
            self._by_id[node.id] = node
        for node in nodes:
            for wire in node.inputs.values():
                for channel in channels(wire):
                    self._check_producer(node, channel)
            for id in node.after:
                self.node(id)
        self.nodes = tuple(self._by_id[id] for id in self._order())
        self.selected = frozenset(self._by_id)

    def node(self, id: str) -> Component:
        """Returns the component of this id.

        Raises:
            ConfigError: it is unknown.
        """
        if id not in self._by_id:
            hint = did_you_mean(id, list(self._by_id))
            raise ConfigError(f"{self.name}: has no node {id!r}{hint}")
        return self._by_id[id]

    def select(
        self,
        *,
        only: Iterable[str] = (),
        start: str | None = None,
        until: str | None = None,
    ) -> Pipeline:
        """Returns this graph with only those nodes selected that meet every bound.

        Args:
            only: these nodes, by id; the name of a stage or a data set, here and below,
                means all of its nodes.
            start: this node and all downstream nodes.
            until: this node and all upstream nodes.

        Raises:
            ConfigError: a name is unknown, or no node meets every bound.
        """
        selected = {id for name in only for id in self._named(name)} or set(self._by_id)
        if start is not None:
            downstream: dict[str, set[str]] = {id: set() for id in self._by_id}
            for node in self.nodes:
                for id in node.upstream():
                    downstream[id].add(node.id)
            selected &= _all_reachable(self._named(start), downstream)
        if until is not None:
            upstream = {node.id: node.upstream() for node in self.nodes}
            selected &= _all_reachable(self._named(until), upstream)
        if not selected:
            raise ConfigError(f"{self.name}: no node lies between these bounds")
        selection = Pipeline(self.name, self.nodes)
        selection.selected = frozenset(selected)
        return selection

    def _named(self, name: str) -> set[str]:
        """Returns the ids of the node of this id, or of a stage's or data set's nodes.

        Raises:
            ConfigError: the name is unknown.
        """
        if name in self._by_id:
            return {name}
        subjects: dict[str, set[str]] = {}
        for id in self._by_id:
            if (subject := subject_of(id)) is not None:
                subjects.setdefault(subject, set()).add(id)
        if name not in subjects:
            hint = did_you_mean(name, [*subjects, *self._by_id])
            raise ConfigError(f"{self.name}: has no node or stage {name!r}{hint}")
        return subjects[name]

    def needed(self) -> frozenset[str]:
        """Returns the selected nodes and all their upstream nodes."""
        upstream = {node.id: node.upstream() for node in self.nodes}
        return frozenset().union(*(_reachable(id, upstream) for id in self.selected))

    def _check_producer(self, node: Component, channel: Channel) -> None:
        producer = self._by_id.get(channel.producer)
        if producer is None:
            hint = did_you_mean(channel.producer, list(self._by_id))
            raise ConfigError(
                f"node {node.id!r}: reads from {channel.producer!r}, "
                f"which is not in pipeline {self.name!r}{hint}"
            )
        if producer.outputs.get(channel.output) != channel:
            raise ConfigError(
                f"node {node.id!r}: {channel.producer!r} has no output "
                f"{channel.output!r} of type {channel.type.__name__}"
            )

    def _order(self) -> Iterable[str]:
        sorter = graphlib.TopologicalSorter(
            {node.id: node.upstream() for node in self._by_id.values()}
        )
        try:
            sorter.prepare()
        except graphlib.CycleError as error:
            cycle = " -> ".join(error.args[1])
            raise ConfigError(f"{self.name}: the nodes form a cycle: {cycle}") from None
        rank = {id: index for index, id in enumerate(self._by_id)}
        ready: list[tuple[int, str]] = []
        while sorter.is_active():
            for id in sorter.get_ready():
                heapq.heappush(ready, (rank[id], id))
            _, id = heapq.heappop(ready)
            sorter.done(id)
            yield id


def subject_of(id: str) -> str | None:
    """Returns the stage or data set of a node, None where it belongs to all.

    It is the second part of an id: ``topic`` of ``train.topic`` and ``train.topic.1``.
    """
    _, _, rest = id.partition(".")
    return rest.partition(".")[0] or None


def _all_reachable(
    starts: Iterable[str], edges: Mapping[str, Iterable[str]]
) -> set[str]:
    return set().union(*(_reachable(start, edges) for start in starts))


def _reachable(start: str, edges: Mapping[str, Iterable[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        id = waiting.pop()
        if id not in seen:
            seen.add(id)
            waiting.extend(edges[id])
    return seen
