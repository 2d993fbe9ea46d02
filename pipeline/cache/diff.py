"""Explains a cache miss: the differences between a key and the one that last ran."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textmill.components.base import Component
from textmill.pipeline.publish import EXECUTION

_SHOWN = 12
_SHOWN_FILES = 5
_PARTS = {"component", "config", "inputs", "files", "code", "libraries"}
_FIRST_RUN = "first run"
UNKNOWN = ""
"""The digest of an input that does not exist yet."""
Parts = dict[str, Any]
Positions = Mapping[str, object]


def explain(
    component: Component, parts: Parts, root: Path, positions: Positions
) -> list[str]:
    """Returns the parts of a key that differ from the node's latest execution."""
    latest = latest_execution(root, component.id)
    if latest is None:
        return [_FIRST_RUN]
    old = latest["parts"]
    return [
        *_config_changes(component, old, parts, positions),
        *(_input_change(component, *change) for change in _input_changes(old, parts)),
        *_code_changes(old, parts),
    ]


def main_reason(
    component: Component, parts: Parts, root: Path, origins: Mapping[str, str]
) -> tuple[str, str]:
    """Returns the reason of an execution in a few words, and the node it began with.

    Args:
        component: the node.
        parts: its key.
        root: the store's folder.
        origins: by node that this run executed, the first node of that chain.
    """
    latest = latest_execution(root, component.id)
    if latest is None:
        return _FIRST_RUN, component.id
    old = latest["parts"]
    own = [
        *_config_changes(component, old, parts, {}),
        *_code_changes(old, parts),
    ]
    if own:
        more = f", and {len(own) - 1} more" if len(own) > 1 else ""
        return f"{own[0]}{more}", component.id
    for name, _, after in _input_changes(old, parts):
        if not isinstance(after, str):
            return f"input {name} removed", component.id
        producer = _producer(component, name)
        origin = origins.get(producer, producer)
        return f"because {origin} changed", origin
    return "", component.id


def latest_execution(root: Path, node: str) -> dict[str, Any] | None:
    """Returns the execution of a node that finished last, or None."""
    latest: dict[str, Any] | None = None
    for file in (root / "artifacts" / node).glob(f"*/{EXECUTION}"):
        if file.parent.suffix:
            continue
        try:
            execution = json.loads(file.read_bytes())
            finished, parts = execution["finished"], execution["parts"].keys()
        except (ValueError, KeyError, TypeError, AttributeError, OSError):
            continue
        if parts >= _PARTS and (latest is None or finished > latest["finished"]):
            latest = execution
    return latest


def _config_changes(
    component: Component, old: Parts, new: Parts, positions: Positions
) -> Iterator[str]:
    if old["component"] != new["component"]:
        yield f"component {old['component']} -> {new['component']}"
    for field, before, after in changed_values(old["config"], new["config"]):
        position = _position(field, component.config_paths, positions)
        suffix = f" ({position})" if position else ""
        yield f"config {field}: {_show(before)} -> {_show(after)}{suffix}"


def _input_changes(old: Parts, new: Parts) -> Iterator[tuple[str, Any, Any]]:
    for name, before, after in changed_values(old["inputs"], new["inputs"]):
        if after != UNKNOWN:
            yield name, before, after


def _code_changes(old: Parts, new: Parts) -> Iterator[str]:
    """Yields the files, modules and libraries that differ."""
    yield from _file_changes(old["files"], new["files"])
    for module in differing_keys(old["code"], new["code"]):
        yield f"code {module} {_verb(module, old['code'], new['code'])}"
    for library in differing_keys(old["libraries"], new["libraries"]):
        before, after = old["libraries"].get(library), new["libraries"].get(library)
        yield f"library {library} {before or 'unused'} -> {after or 'unused'}"


def _producer(component: Component, name: str) -> str:
    """Returns the node that makes an input, by the name that keys give it."""
    top, _, key = name.partition(".")
    wire = component.inputs[top]
    channel = wire[key] if isinstance(wire, Mapping) else wire
    assert channel is not None
    return channel.producer


def _input_change(component: Component, name: str, before: Any, after: Any) -> str:
    if not isinstance(after, str):
        return f"input {name} removed"
    producer = _producer(component, name)
    if not isinstance(before, str):
        return f"input {name} added (from {producer})"
    shown = f"{before[:_SHOWN]} -> {after[:_SHOWN]}"
    return f"input {name}: digest {shown} (from {producer})"


def _file_changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    names = differing_keys(old, new)
    for name in names[:_SHOWN_FILES]:
        yield f"file {name} {_verb(name, old, new)}"
    if len(names) > _SHOWN_FILES:
        yield f"and {len(names) - _SHOWN_FILES} more files"


def differing_keys(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Returns the sorted keys with different values, or in one mapping alone."""
    names = sorted(old.keys() | new.keys())
    return [name for name in names if old.get(name) != new.get(name)]


def _verb(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> str:
    if name not in old:
        return "added"
    return "changed" if name in new else "removed"


def changed_values(
    old: Any, new: Any, path: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yields (dotted path, before, after) of every leaf that differs."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*new, *(key for key in old if key not in new)]:
            inner = f"{path}.{key}" if path else str(key)
            yield from changed_values(old.get(key), new.get(key), inner)
    elif old != new:
        yield path, old, new


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 60 else text[:57] + "..."


def _position(
    field: str, config_paths: Mapping[str, str], positions: Positions
) -> object | None:
    """Returns the position of a component's config field in the user's file."""
    for prefix in sorted(config_paths, key=len, reverse=True):
        if field == prefix or field.startswith(f"{prefix}." if prefix else ""):
            path = f"{config_paths[prefix]}.{field[len(prefix) :].lstrip('.')}"
            while path and path not in positions:
                path = path.rpartition(".")[0]
            return positions.get(path) if path else None
    return None
