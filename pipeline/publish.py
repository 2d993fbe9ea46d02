"""Publishing: makes a node's outputs visible in one atomic step, and looks them up.

Outputs are written below ``<root>/artifacts/<node>/<key>.staging/``, each sealed with a
manifest. ``execution.json`` records how they were made, enough to rebuild the store.
Everything is flushed to disk and then renamed to its final name, so a folder under a
final name is complete, whatever was killed and whenever.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textmill.components.base import Artifact, Component
from textmill.components.manifest import (
    canonical_json,
    flush,
    write_flushed,
    write_manifest,
)
from textmill.models.errors import IntegrityError
from textmill.pipeline.machine_errors import disk_full_errors

EXECUTION = "execution.json"
_STAGING, _SCRATCH, REPLACED = ".staging", ".scratch", ".replaced"
_POLL_SECONDS = 0.1
_ROOT_LOCK = "root.lock"


@dataclass(frozen=True)
class CacheEntry:
    """A node's published result under a key, if there is one."""

    execution: dict[str, Any] | None = None
    """The content of ``execution.json``; None if nothing valid is published."""
    outputs: Mapping[str, Artifact] = field(default_factory=dict)
    """The artifacts of a valid execution."""
    problem: str | None = None
    """The reason if a published execution is invalid."""


def published_dir(root: Path, node: str, key: str) -> Path:
    """Returns the folder of a node's outputs."""
    return root / "artifacts" / node / key


def staging_dir(root: Path, node: str, key: str) -> Path:
    """Returns the folder in which a node's outputs are written."""
    return root / "artifacts" / node / (key + _STAGING)


def scratch_dir(root: Path, node: str, key: str) -> Path:
    """Returns the folder for the temporary files of an execution."""
    return root / "artifacts" / node / (key + _SCRATCH)


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file atomically and flushes it to disk."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with disk_full_errors(path):
        try:
            write_flushed(draft, data)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        flush(path.parent)


def find_drafts(folder: Path) -> list[Path]:
    """Returns the drafts of ``write_atomically`` in a folder."""
    return [p for p in sorted(folder.glob(".*.*")) if p.suffix[1:].isdecimal()]


def seal(artifact: Artifact, *, environment: Mapping[str, Any] | None = None) -> None:
    """Hashes an artifact's files, writes its manifest, and flushes both to disk.

    Args:
        artifact: written by its executor; from now on it reads its manifest.
        environment: host and time of the execution; neither digest nor seal cover it.

    Raises:
        MachineError: the disk is full.
    """
    with disk_full_errors(artifact.path):
        manifest = write_manifest(
            artifact.path,
            kind=type(artifact).__name__,
            facts=artifact.facts,
            records=artifact.records,
            identity=artifact.identity,
            created=environment or {},
        )
    artifact.__dict__.pop("manifest", None)
    artifact.facts, artifact.identity = manifest["facts"], manifest["identity"]


def commit(staging: Path, final: Path, *, execution: Mapping[str, Any]) -> None:
    """Publishes a node's sealed outputs and their history, in one rename.

    Removes an invalid earlier result under the same key.

    Raises:
        MachineError: the disk is full.
    """
    replaced = final.with_name(final.name + REPLACED)
    with disk_full_errors(final):
        write_flushed(staging / EXECUTION, canonical_json(execution) + b"\n")
        flush(staging)
        if final.exists():
            remove(replaced)
            final.rename(replaced)
        staging.rename(final)
        flush(final.parent)
    remove(replaced)


def failed_dir(root: Path, run_id: str, node: str) -> Path:
    """Returns the folder of the files that a failed node left for its diagnosis."""
    return root / "runs" / run_id / "failed" / node


def keep_failed(folder: Path, outputs: Mapping[str, Artifact]) -> None:
    """Moves the files of a failed node's outputs that explain the failure."""
    for name, artifact in outputs.items():
        for file in artifact.KEPT_ON_FAILURE:
            if (artifact.path / file).is_file():
                (folder / name).mkdir(parents=True, exist_ok=True)
                shutil.move(artifact.path / file, folder / name / file)


def remove(folder: Path) -> None:
    """Removes a folder with its content, if it exists."""
    if folder.exists():
        shutil.rmtree(folder)


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
        except (KeyError, TypeError, AttributeError):
            problem = f"{folder / EXECUTION}: not the record of an execution"
        if problem is not None:
            return CacheEntry(problem=problem)
        outputs[name] = artifact
    return CacheEntry(execution, outputs)


def work_dir(root: Path, node: str, key: str) -> Path:
    """Returns the folder from which a killed execution resumes."""
    return root / "work" / node / key


def sweep(root: Path) -> None:
    """Removes leftovers of killed executions that nothing can resume from."""
    leftovers = [
        folder
        for ending in (_STAGING, _SCRATCH, REPLACED)
        for folder in (root / "artifacts").glob(f"*/*{ending}")
    ]
    for folder in (root / "work").glob("*/*"):
        if published_dir(root, folder.parent.name, folder.name).exists():
            leftovers.append(folder)
    for folder in leftovers:
        with _lock_file(root, folder.parent.name, folder.stem) as descriptor:
            if _try_lock(descriptor):
                remove(folder)


@contextmanager
def locked(
    root: Path, node: str, key: str, *, while_waiting: Callable[[str], None]
) -> Iterator[None]:
    """Context manager: the exclusive right, on this machine, to execute a node.

    The lock ends with its process, even after a kill.

    Args:
        root: the store's folder.
        node: the node's id.
        key: its cache key.
        while_waiting: called ten times a second with the id of the process that has
            the lock; may raise to give up.
    """
    with _lock_file(root, node, key) as descriptor:
        while not _try_lock(descriptor):
            while_waiting(os.pread(descriptor, 20, 0).decode())
            time.sleep(_POLL_SECONDS)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield


@contextmanager
def shared_root(root: Path) -> Iterator[None]:
    """Context manager: the right to use a root's results; waits for a deletion."""
    with _open_lock(root / "locks" / _ROOT_LOCK) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


@contextmanager
def exclusive_root(root: Path) -> Iterator[bool]:
    """Context manager: the right to delete results; yields False if a run has it."""
    with _open_lock(root / "locks" / _ROOT_LOCK) as descriptor:
        yield _try_lock(descriptor)


def _lock_file(root: Path, node: str, key: str) -> AbstractContextManager[int]:
    return _open_lock(root / "locks" / f"{node}-{key}.lock")


@contextmanager
def _open_lock(path: Path) -> Iterator[int]:
    """Context manager: the descriptor of a lock file, which is created if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        yield descriptor
    finally:
        # Unlocked explicitly: a forked child may still have the file open.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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


def read_lineage(
    folder_of: Callable[[str], Path | None], inputs: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Returns the executions that made some inputs, each once, upstream first.

    An execution whose record is not in this root, as on a platform, is left out with
    those before it.

    Args:
        folder_of: returns the folder of a result with an output of a digest.
        inputs: digests by name, or by name and key.
    """
    lineage: dict[tuple[str, str], dict[str, Any]] = {}
    _collect_lineage(folder_of, inputs, lineage)
    return list(lineage.values())


def _collect_lineage(
    folder_of: Callable[[str], Path | None],
    inputs: Mapping[str, Any],
    lineage: dict[tuple[str, str], dict[str, Any]],
) -> None:
    for value in inputs.values():
        for digest in value.values() if isinstance(value, Mapping) else [value]:
            folder = folder_of(digest)
            if folder is None or not (folder / EXECUTION).is_file():
                continue
            execution = json.loads((folder / EXECUTION).read_bytes())
            name = (execution["node"], execution["key"])
            if name in lineage:
                continue
            _collect_lineage(folder_of, execution["inputs"], lineage)
            parts = execution["parts"]
            names = ("config", "code", "libraries", "files")
            lineage[name] = {
                "node": execution["node"],
                "outputs": execution["outputs"],
                **{part: parts[part] for part in names},
            }
