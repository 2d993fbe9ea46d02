"""The log of a run: a folder with its config, events, summary and page.

``events.jsonl`` grows by one line per event. ``summary.json`` is rewritten whenever a
node ends, so it is also correct for a run that was killed.
"""

from __future__ import annotations

import json
import os
import platform
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from textmill.components.base import Artifact, Channel, Component
from textmill.components.manifest import flush, make_folder
from textmill.pipeline.machine_errors import disk_full_errors
from textmill.pipeline.pipeline import Pipeline
from textmill.pipeline.progress import Progress
from textmill.pipeline.publish import write_atomically
from textmill.pipeline.store import MetadataStore, process_identity, write_summary

_PROGRESS_SECONDS = 1.0


class RunLog:
    """Logs one run to its folder, to the metadata store and to the screen."""

    def __init__(
        self,
        root: Path,
        store: MetadataStore,
        pipeline: Pipeline,
        progress: Progress,
        *,
        config_text: str,
        run_id: str | None = None,
    ) -> None:
        """Opens the log of a new run, or of one that another process has begun."""
        self._root, self._store, self._progress = root, store, progress
        self._pipeline = pipeline
        if run_id is None:
            self.id, self.folder = _make_folder(root, pipeline.name)
        else:
            self.id, self.folder = run_id, root / "runs" / run_id
            make_folder(self.folder)
        self._events = (self.folder / "events.jsonl").open("a", encoding="utf-8")
        self._last_progress: dict[str, float] = {}
        self._outputs: dict[str, Mapping[str, Artifact]] = {}
        write_atomically(self.folder / "config.yaml", config_text.encode())
        self.summary: dict[str, Any] = {
            "run_id": self.id,
            "name": pipeline.name,
            "status": "running",
            "exit_code": None,
            "started": time.time(),
            "seconds": None,
            "process": process_identity(),
            "environment": describe_environment(),
            "nodes": {},
            "stages": {},
            "warnings": [],
        }
        self._save()
        nodes = [node.id for node in pipeline.nodes if node.id in pipeline.selected]
        self.event("run_started", run_id=self.id, name=pipeline.name, nodes=nodes)

    def event(self, kind: str, **fields: Any) -> None:
        """Logs an event; the file gets a node's progress at most once a second."""
        self._progress.handle(kind, fields)
        timestamp = time.time()
        if kind == "progress" and "resumed" not in fields:
            node = fields["node"]
            if timestamp - self._last_progress.get(node, 0) < _PROGRESS_SECONDS:
                return
            self._last_progress[node] = timestamp
        entry = {"time": round(timestamp, 3), "event": kind} | fields
        with disk_full_errors(self.folder / "events.jsonl"):
            self._events.write(
                json.dumps(entry, ensure_ascii=False, default=str) + "\n"
            )
            self._events.flush()

    def node_done(
        self,
        node: Component,
        state: str,
        execution: Mapping[str, Any],
        outputs: Mapping[str, Artifact],
        *,
        seconds: float,
    ) -> None:
        """Logs a node that ran or was cached, and its artifacts."""
        key = execution["key"]
        paths = {name: self._relative(a.path) for name, a in outputs.items()}
        notes = [note for a in outputs.values() if (note := a.note())]
        remark = {"note": "; ".join(notes)} if notes else {}
        self._add(node, state, seconds=seconds, key=key, outputs=paths, **remark)
        if not self._store.has_execution(node.id, execution["run_id"]):
            self._store.record_execution({**execution, "state": "ran"})
        self._outputs[node.id] = outputs
        for artifact in outputs.values():
            self._add_to_stage(node.id.partition(".")[2], artifact)
            self._add_warnings(node, artifact)
        self._save()
        self.event(
            "node_finished",
            node=node.id,
            state=state,
            seconds=seconds,
            key=key,
            **remark,
        )

    def node_not_done(
        self,
        node: Component,
        state: str,
        *,
        key: str | None = None,
        seconds: float = 0.0,
        exit_code: int | None = None,
        error: str | None = None,
        note: str | None = None,
    ) -> None:
        """Logs a node that failed, was interrupted (with a note) or was skipped."""
        failure: dict[str, Any] = {"note": note} if note else {}
        if error:
            failure = {"exit_code": exit_code, "error": error}
        self._add(node, state, seconds=seconds, key=key, outputs={}, **failure)
        self._save()
        self.event(
            "node_finished", node=node.id, state=state, seconds=seconds, **failure
        )

    def finish(self, status: str, exit_code: int) -> None:
        """Ends the run: writes the final summary and the page."""
        seconds = round(time.time() - self.summary["started"], 3)
        self.summary |= {"status": status, "exit_code": exit_code, "seconds": seconds}
        self._save()
        self.event("run_finished", status=status, exit_code=exit_code, seconds=seconds)
        self._events.close()
        self._write_page()

    def _add(self, node: Component, state: str, **fields: Any) -> None:
        entry = {
            "state": state,
            "component": type(node).__name__,
            "upstream": sorted(node.upstream()),
            "started": round(time.time() - fields["seconds"], 3),
            **fields,
        }
        self.summary["nodes"][node.id] = entry
        if state not in ("ran", "skipped"):
            self._store.record_execution(entry | {"node": node.id, "run_id": self.id})

    def _add_to_stage(self, name: str, artifact: Artifact) -> None:
        fields = artifact.stage_summary()
        if not fields:
            return
        empty: dict[str, Any] = {
            "metrics": {},
            "intervals": {},
            "blessed": None,
            "pushed": None,
        }
        stage = self.summary["stages"].setdefault(name, empty)
        stage |= {
            field: self._relative(value) if isinstance(value, Path) else value
            for field, value in fields.items()
        }

    def _add_warnings(self, node: Component, artifact: Artifact) -> None:
        if (warnings := artifact.warnings()) is None:
            return
        entry = {"node": node.id, "dataset": self._dataset(node)}
        self.summary["warnings"].append(entry | asdict(warnings))

    def _dataset(self, node: Component) -> str:
        """Returns the data set that a step reads, also by way of folds."""
        while "documents" in node.inputs:
            documents = node.inputs["documents"]
            assert isinstance(documents, Channel)
            node = self._pipeline.node(documents.producer)
        return node.id.partition(".")[2]

    def _relative(self, path: Path) -> str:
        path, root = path.resolve(), self._root.resolve()
        return (
            path.relative_to(root) if path.is_relative_to(root) else path
        ).as_posix()

    def _save(self) -> None:
        write_summary(self.folder, self.summary)
        self._store.record_run(self.summary)

    def _write_page(self) -> None:
        for node in self._pipeline.nodes:
            outputs = self._outputs.get(node.id, {})
            if (page := node.render_run(self.summary, outputs)) is not None:
                write_atomically(self.folder / "report.html", page.encode())


def describe_environment() -> dict[str, Any]:
    """Returns the versions and the machine of a run; part of no cache key."""
    packages = ("textmill", "tensorflow", "keras", "keras-nlp", "apache-beam")
    versions = {name: _version(name) for name in packages}
    return {
        **{name: version for name, version in versions.items() if version},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": len(os.sched_getaffinity(0)),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _make_folder(root: Path, name: str) -> tuple[str, Path]:
    """Creates ``runs/20261123-021530-quickstart-4f2a``; returns the id and the path."""
    started = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    name = re.sub(r"[^\w.-]+", "-", name)
    make_folder(root / "runs")
    while True:
        id = f"{started}-{name}-{secrets.token_hex(2)}"
        folder = root / "runs" / id
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        flush(folder.parent)
        (folder / "logs").mkdir()
        return id, folder
