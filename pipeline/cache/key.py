"""The cache: when an execution still counts, and what changed when it does not.

A key covers everything that a result depends on: the component's config, the digests of
its inputs (not their keys: an input rebuilt to the same digest changes nothing below
it), the content of files outside the pipeline, the source that runs, and the versions
of the libraries that it imports.

Where a project lies is not part of a key. A path that leads to a component's external
files counts relative to the folder that holds them all, because their content counts in
full; any other absolute path names a place that is written to, and counts relative to
the root folder. So a project that is moved with its root runs nothing again, and
another destination does.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from textmill.components.base import (
    Artifact,
    Channel,
    Component,
    ExternalVersion,
    canonical,
)
from textmill.models.errors import IntegrityError
from textmill.pipeline.cache.code_digest import CodeReader
from textmill.pipeline.cache.diff import UNKNOWN, Parts, Positions, why
from textmill.pipeline.cache.file_digests import (
    FileDigests,
    common_folder,
    outside_libraries,
)
from textmill.pipeline.config import resolve_secrets
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.publish import EXECUTION, published_dir
from textmill.pipeline.store import MetadataStore

_KEY_LENGTH = 12
T = TypeVar("T")


class Keys:
    """Makes the parts of cache keys, remembering what is slow to find out twice."""

    def __init__(self, root: Path, store: MetadataStore) -> None:
        self._root, self._store = root, store
        self._files = FileDigests(store)
        self._code = CodeReader(store.sources())
        self._num_sources = len(self._code.known)

    def parts(self, component: Component, inputs: Mapping[str, Any]) -> Parts:
        """Returns all that a key covers.

        Args:
            component: the node.
            inputs: the digest of every input, or a mapping of them.

        Raises:
            ConfigError: an external file is missing.
        """
        config = resolve_secrets(component.config)
        files = type(component).external_files(config)
        code = self._code.read(type(component).__module__)
        if len(self._code.known) > self._num_sources:
            self._store.remember_sources(self._code.known)
            self._num_sources = len(self._code.known)
        return {
            "component": type(component).__name__,
            "config": _plain(component.config, self._spell(files)),
            "inputs": dict(inputs),
            "files": self.outside(type(component), config, inputs),
            "code": dict(code.modules),
            "libraries": dict(code.libraries),
        }

    def outside(
        self, component: type[Component], config: Any, inputs: Mapping[str, Any]
    ) -> dict[str, str]:
        """Returns what a component depends on beside its inputs, as it is now.

        Args:
            component: the node's type.
            config: its config, secrets resolved.
            inputs: the digest of every input, or a mapping of them.
        """
        files = component.external_files(config)
        return self._files.read([*files, *component.external_versions(config, inputs)])

    def _spell(self, files: Sequence[Path | ExternalVersion]) -> Callable[[str], str]:
        """Returns what a string of the config is called in a key."""
        paths = [
            os.path.abspath(f) for f in files if not isinstance(f, ExternalVersion)
        ]
        outside = outside_libraries(paths)
        parent = common_folder(outside) if outside else self._root

        def spell(text: str) -> str:
            if not os.path.isabs(text) or text == os.sep:
                return text
            literal = re.split(r"[*?\[{]", text)[0]
            leads_there = any(path.startswith(literal) for path in paths)
            return os.path.relpath(text, parent if leads_there else self._root)

        return spell


def cache_key(parts: Parts) -> str:
    """Returns the name of a key: 12 hexadecimal digits over all its parts."""
    return hashlib.sha256(canonical(parts)).hexdigest()[:_KEY_LENGTH]


def map_inputs(
    component: Component, value: Callable[[Channel], T]
) -> dict[str, T | dict[str, T]]:
    """Returns a value for every channel of a component, shaped like its inputs."""
    return {
        name: {key: value(channel) for key, channel in wire.items()}
        if isinstance(wire, Mapping)
        else value(wire)
        for name, wire in component.inputs.items()
        if wire is not None
    }


@dataclass(frozen=True)
class CacheEntry:
    """What the disk says of a node under a key."""

    execution: dict[str, Any] | None = None
    """How it came to be, where it still counts."""
    outputs: Mapping[str, Artifact] = dataclasses.field(default_factory=dict)
    """Its artifacts, where it still counts."""
    problem: str | None = None
    """Why an execution that took place no longer counts."""


def look_up(root: Path, component: type[Component], node: str, key: str) -> CacheEntry:
    """Finds a node's published outputs, complete and with their effects in place.

    Sizes are compared; bytes are when somebody reads them.
    """
    folder = published_dir(root, node, key)
    try:
        execution = json.loads((folder / EXECUTION).read_bytes())
    except FileNotFoundError:
        return CacheEntry()
    except ValueError as error:
        return CacheEntry(problem=f"{folder / EXECUTION}: not JSON ({error})")
    outputs: dict[str, Artifact] = {}
    for name, port in component.contract.outputs.items():
        try:
            artifact = port.type(folder / name)
            problem = _problem(artifact, execution["outputs"].get(name))
        except IntegrityError as error:
            problem = str(error)
        if problem is not None:
            return CacheEntry(problem=problem)
        outputs[name] = artifact
    return CacheEntry(execution, outputs)


@dataclass(frozen=True)
class NodePlan:
    """What would become of a node, and why."""

    id: str
    state: Literal["cached", "run", "waits"]
    """``waits`` where an input is yet to be made: it may turn out as before."""
    key: str | None
    """The cache key; None where it is not known yet."""
    reasons: tuple[str, ...] = ()
    """What changed since the node last ran."""


def plan(
    pipeline: Pipeline, root: Path, positions: Positions | None = None
) -> list[NodePlan]:
    """Says of every selected node whether it would run, and why.

    Args:
        pipeline: the graph.
        root: the store's folder.
        positions: where a config path stands in the user's file, as
            ``file:line:column`` once turned into a string.

    Raises:
        ConfigError: an external file is missing.
    """
    root = root.absolute()
    known: dict[Channel, str] = {}
    plans = []
    with MetadataStore(root) as store:
        keys = Keys(root, store)
        for node in pipeline.nodes:
            found = _plan_node(node, pipeline, keys, root, known, positions or {})
            if node.id in pipeline.selected:
                plans.append(found)
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
        reasons += why(node, parts, root, positions)
        return NodePlan(node.id, "waits", None, tuple(reasons))
    key = cache_key(parts)
    found = look_up(root, type(node), node.id, key)
    if found.execution is not None:
        for name, artifact in found.outputs.items():
            known[node.outputs[name]] = artifact.digest
        return NodePlan(node.id, "cached", key)
    reasons = [found.problem] if found.problem else why(node, parts, root, positions)
    return NodePlan(node.id, "run", key, tuple(reasons))


def _problem(artifact: Artifact, digest: str | None) -> str | None:
    if artifact.digest != digest:
        return f"{artifact.path}: is not what {EXECUTION} says was made"
    for file in artifact.manifest["files"]:
        path = artifact.path / file["path"]
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return f"{path} is gone"
        if size != file["size"]:
            return f"{path} has {size} bytes, not {file['size']}"
    return artifact.missing_reason()


def _plain(value: Any, spell: Callable[[str], str]) -> Any:
    """Returns a config as JSON, with paths spelt as keys spell them."""
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {f.name: _plain(getattr(value, f.name), spell) for f in fields}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, spell) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner, spell) for inner in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(inner, spell) for inner in value)
    if isinstance(value, (str, Path)):
        return spell(str(value))
    return value
