"""Notes of a run on a platform: one per node, and from them the summary and page."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any

from textmill.components.artifacts import Evaluation, PushedModel, Report
from textmill.components.base import Artifact, Component
from textmill.pipeline.config.load import LoadedConfig
from textmill.pipeline.config.schema import render_config
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.progress import make_progress
from textmill.pipeline.publish import EXECUTION, published_dir, write_atomically
from textmill.pipeline.remote.mirror import Mirror
from textmill.pipeline.run_log import RunLog
from textmill.pipeline.runners.container import NodeResult
from textmill.pipeline.store import MetadataStore

_READ_WHOLE = (Evaluation, PushedModel, Report)


def write_node_note(
    run_id: str, node: Component, result: NodeResult, mirror: Mirror
) -> None:
    """Writes the result of a node and uploads it."""
    folder = f"{_folder(run_id)}/nodes"
    note = {
        "state": result.state,
        "key": result.key,
        "seconds": result.seconds,
        "exit_code": result.exit_code,
        "error": result.error,
        "ended": time.time(),
    }
    (mirror.path / folder).mkdir(parents=True, exist_ok=True)
    path = mirror.path / folder / f"{node.id}.json"
    write_atomically(path, json.dumps(note).encode())
    mirror.send(folder)


def publish_run(
    run_id: str, loaded: LoadedConfig, pipeline: Pipeline, mirror: Mirror
) -> int:
    """Makes the summary and the page of a run from its notes; returns 0.

    A node without a note was skipped, or killed by the platform.
    """
    folder = _folder(run_id)
    mirror.fetch(f"{folder}/nodes")
    notes = {
        path.stem: json.loads(path.read_bytes())
        for path in (mirror.path / folder / "nodes").glob("*.json")
    }
    with MetadataStore(mirror.path) as store:
        log = RunLog(
            mirror.path,
            store,
            pipeline,
            make_progress(shown=False),
            config_text=render_config(loaded.config),
            run_id=mirror.path.joinpath(folder).name,
        )
        started = [n["ended"] - n["seconds"] for n in notes.values()]
        log.summary["started"] = min(started, default=time.time())
        for node in pipeline.nodes:
            _log_node(log, node, notes.get(node.id), mirror)
        failed = [n["exit_code"] for n in notes.values() if n["exit_code"]]
        is_complete = len(notes) == len(pipeline.nodes) and not failed
        log.finish(
            "succeeded" if is_complete else "failed",
            0 if is_complete else next(iter(failed), 1),
        )
    mirror.send(folder)
    print(f"{mirror.root}/{folder}/report.html")
    return 0


def _log_node(
    log: RunLog, node: Component, note: Mapping[str, Any] | None, mirror: Mirror
) -> None:
    if note is None:
        log.node_not_done(node, "skipped")
        return
    if note["state"] not in ("ran", "cached"):
        log.node_not_done(
            node,
            note["state"],
            key=note["key"],
            seconds=note["seconds"],
            exit_code=note["exit_code"],
            error=note["error"],
        )
        return
    final = published_dir(mirror.path, node.id, note["key"])
    relative = final.relative_to(mirror.path).as_posix()
    mirror.fetch_history(relative)
    outputs: dict[str, Artifact] = {}
    for name, port in node.contract.outputs.items():
        if issubclass(port.type, _READ_WHOLE):
            mirror.fetch(f"{relative}/{name}")
        outputs[name] = port.type(final / name)
    execution = json.loads((final / EXECUTION).read_bytes())
    log.node_done(node, note["state"], execution, outputs, seconds=note["seconds"])


def _folder(run_id: str) -> str:
    return f"runs/{re.sub(r'[^A-Za-z0-9_.-]+', '-', run_id)}"
