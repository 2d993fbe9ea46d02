"""Cache entries: the published result of a node under a key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textmill.components.base import Artifact, Component
from textmill.models.errors import IntegrityError
from textmill.pipeline.publish import EXECUTION, published_dir


@dataclass(frozen=True)
class CacheEntry:
    """A node's published result under a key, if there is one."""

    execution: dict[str, Any] | None = None
    """The content of ``execution.json``; None if nothing valid is published."""
    outputs: Mapping[str, Artifact] = field(default_factory=dict)
    """The artifacts of a valid execution."""
    problem: str | None = None
    """Why a published execution is no longer valid."""


def look_up(root: Path, component: type[Component], node: str, key: str) -> CacheEntry:
    """Returns a node's published outputs, if they are complete and still in effect.

    Compares sizes only; the readers of an artifact verify its bytes.
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
            problem = _problem(artifact, execution["seals"].get(name))
        except IntegrityError as error:
            problem = str(error)
        if problem is not None:
            return CacheEntry(problem=problem)
        outputs[name] = artifact
    return CacheEntry(execution, outputs)


def _problem(artifact: Artifact, seal: str | None) -> str | None:
    if artifact.seal != seal:
        return f"{artifact.path}: its seal differs from {EXECUTION}"
    for file in artifact.manifest["files"]:
        path = artifact.path / file["path"]
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return f"{path} is gone"
        if size != file["size"]:
            return f"{path} has {size} bytes, not {file['size']}"
    return artifact.missing_reason()
