"""Compares two runs: config, data, code, metrics and pushed versions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textmill.components.manifest import MANIFEST
from textmill.pipeline.cache.diff import changed_values, differing_keys
from textmill.pipeline.publish import EXECUTION, published_dir

_INGEST = "ingest."


@dataclass(frozen=True)
class Change:
    """A value that two runs have different; None where a run has none."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class RunComparison:
    """The differences between two runs."""

    config: list[Change] = field(default_factory=list)
    """Keys of the config, with defaults filled in."""
    data: list[Change] = field(default_factory=list)
    """Counts, labels and digests of the documents of every data set."""
    code: list[Change] = field(default_factory=list)
    """Modules and libraries that the nodes of both runs used; needs their artifacts."""
    metrics: list[Change] = field(default_factory=list)
    """Metrics of every stage."""
    pushed: list[Change] = field(default_factory=list)
    """Pushed versions of every stage."""


def compare_runs(
    root: Path, before: Mapping[str, Any], after: Mapping[str, Any]
) -> RunComparison:
    """Returns the differences between two runs of a root.

    Args:
        root: the folder of runs and artifacts.
        before: the summary of the earlier run.
        after: that of the later one.
    """
    return RunComparison(
        config=_changes(_config(root, before), _config(root, after)),
        data=_changes(_data(root, before), _data(root, after)),
        code=list(_code_changes(root, before, after)),
        metrics=_changes(_by_stage(before, "metrics"), _by_stage(after, "metrics")),
        pushed=_changes(_by_stage(before, "pushed"), _by_stage(after, "pushed")),
    )


def previous_run(runs: list[dict[str, Any]], run_id: str) -> str | None:
    """Returns the id of the run of the same pipeline before a run, if there is one.

    Args:
        runs: the summaries of all runs, the newest first.
        run_id: the run.
    """
    ids = [run["run_id"] for run in runs]
    position = ids.index(run_id)
    for run in runs[position + 1 :]:
        if run.get("name") == runs[position].get("name"):
            return str(run["run_id"])
    return None


def _changes(before: Any, after: Any) -> list[Change]:
    return [Change(*change) for change in changed_values(before, after)]


def _config(root: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    from textmill.pipeline.config.yaml import as_mapping, read_yaml

    path = root / "runs" / run["run_id"] / "config.yaml"
    if not path.is_file():
        return {}
    return as_mapping(read_yaml(path.read_text(encoding="utf-8"), str(path)).value)


def _data(root: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the number of documents by split, the labels and the digest of sets."""
    data = {}
    for id, node in run["nodes"].items():
        path = node.get("outputs", {}).get("documents")
        if not id.startswith(_INGEST) or path is None:
            continue
        manifest = _read_json(root / path / MANIFEST)
        facts = manifest.get("facts", {})
        data[id.removeprefix(_INGEST)] = {
            "documents": facts.get("splits", {}),
            "labels": facts.get("labels"),
            "digest": str(manifest.get("digest", ""))[:12],
        }
    return data


def _code_changes(
    root: Path, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Change]:
    old, new = _code(root, before), _code(root, after)
    shared = old.keys() & new.keys()
    for kind in ("library", "module"):
        merged: list[dict[str, str]] = []
        for code in (old, new):
            merged.append({})
            for id in sorted(shared):
                merged[-1] |= code[id][kind]
        for name in differing_keys(*merged):
            values = [code.get(name) for code in merged]
            if kind == "module":
                values = [value and value[:12] for value in values]
            yield Change(f"{kind} {name}", *values)


def _code(root: Path, run: Mapping[str, Any]) -> dict[str, dict[str, dict[str, str]]]:
    """Returns the digests of modules and the versions of libraries of every node."""
    code = {}
    for id, node in run["nodes"].items():
        if node.get("key") is None:
            continue
        path = published_dir(root, id, node["key"]) / EXECUTION
        if parts := _read_json(path).get("parts"):
            code[id] = {"module": parts["code"], "library": parts["libraries"]}
    return code


def _by_stage(run: Mapping[str, Any], part: str) -> dict[str, Any]:
    return {name: stage[part] for name, stage in run["stages"].items() if stage[part]}


def _read_json(path: Path) -> dict[str, Any]:
    """Returns the content of a JSON file; nothing if it is gone or damaged."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
