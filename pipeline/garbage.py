"""Garbage collection: finds and deletes unneeded runs, results and files of a root.

Kept are the pushed versions with their runs and the results that they were made from,
the newest runs of every pipeline with their results and checkpoints, and whatever a
live run uses: the collector deletes only while it alone uses the root.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from textmill.components.artifacts import PushedVersion
from textmill.components.pusher import Pusher
from textmill.models.errors import MachineError
from textmill.pipeline.publish import (
    EXECUTION,
    REPLACED,
    exclusive_root,
    find_drafts,
    remove,
)
from textmill.pipeline.store import SUMMARY, MetadataStore, is_running

Kind = Literal["run", "result", "checkpoint", "leftover", "lock"]
_RECORD = {"run_id", "component", "inputs", "outputs", "seals", "finished"}
Result = tuple[str, str]
"""A node and a key."""


@dataclass(frozen=True)
class Garbage:
    """A file or folder that nothing needs."""

    kind: Kind
    path: Path
    num_bytes: int

    @property
    def result(self) -> Result:
        """Node and key of a result."""
        return self.path.parent.name, self.path.name


def find_garbage(root: Path, *, keep: int) -> list[Garbage]:
    """Returns everything in a root that nothing needs, sorted by kind and path.

    Args:
        root: the folder of artifacts, runs and pushed models.
        keep: number of runs to keep of every pipeline; its last success is kept, too.

    Raises:
        IntegrityError: a pushed version is damaged, so what it needs is unknown.
    """
    inventory = _Inventory(root, keep)
    return [
        *_sized("run", inventory.old_runs()),
        *_sized("result", inventory.old_results()),
        *_sized("checkpoint", inventory.old_checkpoints()),
        *_sized("leftover", inventory.leftovers()),
        *_sized("lock", sorted(root.glob("locks/*-*.lock"))),
    ]


def live_runs(root: Path) -> list[str]:
    """Returns the ids of runs that have not ended, on this machine or elsewhere."""
    return [
        folder.name for folder, summary in _summaries(root) if _is_live(folder, summary)
    ]


def delete_garbage(root: Path, *, keep: int) -> list[Garbage]:
    """Deletes everything that nothing needs; returns the deleted files and folders.

    Raises:
        IntegrityError: a pushed version is damaged, so what it needs is unknown.
        MachineError: a run uses the root.
    """
    with exclusive_root(root) as is_alone:
        live = live_runs(root)
        if live or not is_alone:
            user = f"run {live[0]}" if live else "another process"
            raise MachineError(
                f"{root}: {user} is using it; wait for its end, or stop it, then run "
                "the same command again"
            )
        garbage = find_garbage(root, keep=keep)
        try:
            for item in garbage:
                _delete(item)
        finally:
            deleted = [item for item in garbage if not item.path.exists()]
            with MetadataStore(root) as store:
                store.forget(
                    [item.path.name for item in deleted if item.kind == "run"],
                    [item.result for item in deleted if item.kind == "result"],
                )
    return deleted


def _delete(item: Garbage) -> None:
    if not item.path.is_dir():
        item.path.unlink(missing_ok=True)
        return
    folder = item.path
    if item.kind == "result":
        # Under its own name, a folder is complete, even if this process is killed.
        folder = item.path.with_name(item.path.name + REPLACED)
        remove(folder)
        item.path.rename(folder)
    shutil.rmtree(folder)
    if item.kind in ("result", "checkpoint") and not any(item.path.parent.iterdir()):
        item.path.parent.rmdir()


def _sized(kind: Kind, paths: Iterable[Path]) -> Iterator[Garbage]:
    for path in paths:
        yield Garbage(kind, path, _num_bytes(path))


def _num_bytes(path: Path) -> int:
    """Returns the bytes of a file, or of all files in a folder; follows no links."""
    if not path.is_dir() or path.is_symlink():
        return path.lstat().st_size
    return sum(
        os.lstat(os.path.join(folder, name)).st_size
        for folder, _, names in os.walk(path)
        for name in names
    )


class _Inventory:
    """The runs and results of a root, and those among them that are needed."""

    def __init__(self, root: Path, keep: int) -> None:
        self._root, self._keep = root, keep
        self._runs = list(_summaries(root))
        self._executions = dict(_executions(root))

    def old_runs(self) -> Iterator[Path]:
        """Yields the folders of runs that are not kept, and pushed no version."""
        pushing = {
            self._executions[result]["run_id"]
            for result in self._of_pushed_versions
            if self._executions[result]["component"] == Pusher.__name__
        }
        for folder, summary in self._runs:
            is_kept = folder in self._kept_runs or folder.name in pushing
            if summary is not None and not is_kept:
                yield folder

    def old_results(self) -> Iterator[Path]:
        """Yields published results that neither a kept run nor a push needs."""
        for node, key in sorted(self._executions):
            if (node, key) not in self._needed:
                yield self._root / "artifacts" / node / key

    def old_checkpoints(self) -> Iterator[Path]:
        """Yields work folders from which no kept run resumes."""
        wanted = {result for run in self._kept_runs for result in started_results(run)}
        for folder in sorted(self._root.glob("work/*/*")):
            result = folder.parent.name, folder.name
            if result not in wanted or result in self._executions:
                yield folder

    def leftovers(self) -> Iterator[Path]:
        """Yields drafts, and folders without a record, that killed processes left."""
        for folder in sorted(self._root.glob("artifacts/*/*")):
            result = folder.parent.name, folder.name
            if folder.is_dir() and result not in self._executions:
                yield folder
        old_runs = set(self.old_runs())
        for folder in sorted(self._root.glob("runs/*")):
            if folder not in old_runs:
                yield from find_drafts(folder)
        yield from sorted(self._root.glob("pushed/*/.staging-*"))
        yield from self._old_tables(old_runs)

    def _old_tables(self, old_runs: set[Path]) -> Iterator[Path]:
        """Yields files of rows that ``tm.fit`` wrote, and no config of a run names."""
        configs = "".join(
            path.read_text(encoding="utf-8")
            for path in self._root.glob("runs/*/config.yaml")
            if path.parent not in old_runs
        )
        for file in sorted(self._root.glob("rows/*")):
            if file.name not in configs:
                yield file

    @cached_property
    def _kept_runs(self) -> list[Path]:
        """The live runs, and of each pipeline the newest runs and the last success."""
        by_name: dict[Any, list[tuple[Path, Mapping[str, Any]]]] = {}
        folders = []
        for folder, summary in self._runs:
            if _is_live(folder, summary):
                folders.append(folder)
            elif summary is not None:
                by_name.setdefault(summary.get("name"), []).append((folder, summary))
        for runs in by_name.values():
            succeeded = [run for run in runs if run[1]["status"] == "succeeded"]
            chosen = [*runs[: self._keep], *succeeded[:1]]
            folders += dict.fromkeys(folder for folder, _ in chosen)
        return folders

    @cached_property
    def _needed(self) -> set[Result]:
        """The results of kept runs and of pushed versions, with all their inputs."""
        producers: dict[str, list[Result]] = {}
        for result, execution in self._executions.items():
            for reference in execution["outputs"].values():
                producers.setdefault(reference, []).append(result)
        needed = {result for run in self._kept_runs for result in started_results(run)}
        needed |= self._of_pushed_versions
        needed &= self._executions.keys()
        waiting = list(needed)
        while waiting:
            execution = self._executions[waiting.pop()]
            for reference in _flat(execution["inputs"]):
                made_by = producers.get(reference, [])
                if made_by and needed.isdisjoint(made_by):
                    newest = max(made_by, key=self._finished)
                    needed.add(newest)
                    waiting.append(newest)
        return needed

    def _finished(self, result: Result) -> float:
        return float(self._executions[result]["finished"])

    @cached_property
    def _of_pushed_versions(self) -> set[Result]:
        """The results that made, checked or pushed a version that is there."""
        pushed = {
            PushedVersion(version).manifest["facts"]["serving"]
            for stage in self._root.glob("pushed/*")
            for version in PushedVersion.all(stage)
        }
        return {
            result
            for result, execution in self._executions.items()
            if not pushed.isdisjoint(
                {*execution["seals"].values(), *_flat(execution["inputs"])}
            )
        }


def _summaries(root: Path) -> Iterator[tuple[Path, Mapping[str, Any] | None]]:
    """Yields the folders of runs and their summaries, those recorded last first.

    None stands for a summary that is not there yet, or damaged. A run that the store
    does not know counts as newest.
    """
    with MetadataStore(root) as store:
        ids = [run["run_id"] for run in store.runs()]
    order = {run_id: index for index, run_id in enumerate(ids)}
    folders = sorted(root.glob("runs/*"), key=lambda f: order.get(f.name, -1))
    yield from ((folder, _summary(folder)) for folder in folders)


def _summary(folder: Path) -> dict[str, Any] | None:
    try:
        summary = json.loads((folder / SUMMARY).read_bytes())
        is_whole = {"status", "process", "nodes"} <= summary.keys()
    except (OSError, ValueError, AttributeError):
        return None
    return summary if is_whole else None


def _is_live(folder: Path, summary: Mapping[str, Any] | None) -> bool:
    if summary is None:
        # On a platform, nodes leave notes, and the summary comes at the end.
        return (folder / "nodes").is_dir() and not (folder / SUMMARY).exists()
    return summary["status"] == "running" and is_running(summary["process"])


def started_results(folder: Path) -> Iterator[Result]:
    """Yields node and key of everything that a run took from the cache or started."""
    summary = _summary(folder) or {"nodes": {}}
    for node, entry in summary["nodes"].items():
        if entry.get("key"):
            yield node, entry["key"]
    try:
        lines = (folder / "events.jsonl").read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        if b'"node_started"' in line:
            with suppress(ValueError):  # a kill may tear the last line
                event = json.loads(line)
                yield event["node"], event["key"]


def _executions(root: Path) -> Iterator[tuple[Result, dict[str, Any]]]:
    for path in root.glob(f"artifacts/*/*/{EXECUTION}"):
        folder = path.parent
        if folder.suffix:
            continue
        try:
            execution = json.loads(path.read_bytes())
            is_whole = execution.keys() >= _RECORD
        except (ValueError, AttributeError):
            continue
        if is_whole:
            yield (folder.parent.name, folder.name), execution


def _flat(digests: Mapping[str, Any]) -> Iterator[str]:
    for value in digests.values():
        yield from value.values() if isinstance(value, Mapping) else [value]
