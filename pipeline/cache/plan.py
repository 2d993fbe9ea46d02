"""The plan of a run: which nodes would run, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from textmill.components.base import Channel, Component
from textmill.pipeline.cache.diff import UNKNOWN, Positions, explain
from textmill.pipeline.cache.key import Keys, cache_key, map_inputs
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.publish import look_up
from textmill.pipeline.store import MetadataStore


@dataclass(frozen=True)
class NodePlan:
    """The expected state of a node in the next run, and why."""

    id: str
    state: Literal["cached", "run", "waits"]
    """``waits`` if an input does not exist yet: its digest may turn out as before."""
    key: str | None
    """The cache key; None if it depends on a digest that does not exist yet."""
    reasons: tuple[str, ...] = ()
    """The changes since the node last ran."""


def plan(
    pipeline: Pipeline, root: Path, positions: Positions | None = None
) -> list[NodePlan]:
    """Returns the plan of every selected node: whether it would run, and why.

    Args:
        pipeline: the graph.
        root: the store's folder.
        positions: the position of a config path in the user's file; shown as
            ``file:line:column``.

    Raises:
        ConfigError: an external file is missing.
    """
    root = root.absolute()
    known: dict[Channel, str] = {}
    plans = []
    with MetadataStore(root) as store:
        keys = Keys(root, store)
        for node in pipeline.nodes:
            node_plan = _plan_node(node, pipeline, keys, root, known, positions or {})
            if node.id in pipeline.selected:
                plans.append(node_plan)
    return plans


def _plan_node(
    node: Component,
    pipeline: Pipeline,
    keys: Keys,
    root: Path,
    known: dict[Channel, str],
    positions: Positions,
) -> NodePlan:
    unknown: dict[str, None] = {}

    def digest(channel: Channel) -> str:
        if channel not in known:
            unknown[channel.producer] = None
        return known.get(channel, UNKNOWN)

    parts = keys.parts(node, map_inputs(node, digest))
    if unknown:
        waits = [
            id if id in pipeline.selected else f"{id} (not selected)" for id in unknown
        ]
        reasons = [f"waits for {', '.join(waits)}"]
        reasons += explain(node, parts, root, positions)
        return NodePlan(node.id, "waits", None, tuple(reasons))
    key = cache_key(parts)
    entry = look_up(root, type(node), node.id, key)
    if entry.execution is not None:
        for name, artifact in entry.outputs.items():
            known[node.outputs[name]] = artifact.reference
        return NodePlan(node.id, "cached", key)
    reasons = (
        [entry.problem] if entry.problem else explain(node, parts, root, positions)
    )
    return NodePlan(node.id, "run", key, tuple(reasons))
