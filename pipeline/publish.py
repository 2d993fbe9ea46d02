"""Publishing: makes a node's outputs visible in one atomic step.

Outputs are written below ``<root>/artifacts/<node>/<key>.staging/``, each sealed with a
manifest. ``execution.json`` records how they were made, enough to rebuild the store.
Everything is flushed to disk and then renamed to its final name, so a folder under a
final name is complete, whatever was killed and whenever.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textmill.components.base import Artifact
from textmill.components.durable import flush, write_flushed
from textmill.components.manifest import canonical_json, write_manifest
from textmill.models.errors import MachineError

EXECUTION = "execution.json"
_STAGING, _SCRATCH, _REPLACED = ".staging", ".scratch", ".replaced"
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_MACHINE = (
    errno.EIO,
    errno.EROFS,
    errno.ENODEV,
    errno.ENXIO,
    errno.ESTALE,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EAGAIN,
)
_POLL_SECONDS = 0.1


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
    replaced = final.with_name(final.name + _REPLACED)
    with disk_full_errors(final):
        write_flushed(staging / EXECUTION, canonical_json(execution) + b"\n")
        flush(staging)
        if final.exists():
            remove(replaced)
            final.rename(replaced)
        staging.rename(final)
        flush(final.parent)
    remove(replaced)


def remove(folder: Path) -> None:
    """Removes a folder with its content, if it exists."""
    if folder.exists():
        shutil.rmtree(folder)


def work_dir(root: Path, node: str, key: str) -> Path:
    """Returns the folder from which a killed execution resumes."""
    return root / "work" / node / key


def sweep(root: Path) -> None:
    """Removes leftovers of killed executions that nothing can resume from."""
    leftovers = [
        folder
        for ending in (_STAGING, _SCRATCH, _REPLACED)
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
def disk_full_errors(path: Path) -> Iterator[None]:
    """Context manager: turns a full disk into an error with the path and free space.

    Raises:
        MachineError: the disk, the quota or the limit on a file's size is reached.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise MachineError(disk_full_message(error, path)) from error


def machine_error_message(error: Exception, node: str, path: Path) -> str | None:
    """Returns the message for an error that the machine caused, else None."""
    if isinstance(error, MemoryError) or "can't start new thread" in str(error):
        return f"{node}: out of memory; free some, then run the same command again"
    if sentence := disk_full_message(error, path):
        return sentence
    if isinstance(error, PermissionError):
        return f"{error.filename}: {error.strerror}; grant this user the right to it"
    if isinstance(error, OSError) and error.errno in _MACHINE:
        place = error.filename or path
        return (
            f"{place}: {error.strerror}; the disk or the machine failed: check it, "
            "then run the same command again"
        )
    return None


def disk_full_message(error: BaseException, path: Path) -> str | None:
    """Returns the message for an error that was caused by a full disk, else None."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.errno in _FULL:
            return _full_sentence(Path(str(link.filename or path)), link.errno)
        link = link.__cause__ or link.__context__
    # TensorFlow and Beam wrap the operating system's message in their own errors.
    for code in _FULL:
        if os.strerror(code) in str(error):
            return _full_sentence(path, code)
    return None


def _full_sentence(path: Path, code: int) -> str:
    folder = next(
        parent for parent in [path, *path.absolute().parents] if parent.exists()
    )
    free = shutil.disk_usage(folder).free / 1e9
    return (
        f"{path}: {os.strerror(code)} ({free:.1f} GB free); make room, "
        "then run the same command again"
    )


@contextmanager
def _lock_file(root: Path, node: str, key: str) -> Iterator[int]:
    path = root / "locks" / f"{node}-{key}.lock"
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
