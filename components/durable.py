"""Durable writes: bytes, names and folders that survive a power cut."""

from __future__ import annotations

import os
from pathlib import Path


def write_flushed(path: Path, data: bytes) -> None:
    """Writes a file and flushes its bytes to disk; its name is not flushed."""
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def flush(path: Path) -> None:
    """Flushes a file's bytes, or a folder's names, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folders(folder: Path) -> None:
    """Flushes the names in a folder and in all folders below it."""
    for path in [*folder.rglob("*"), folder]:
        if path.is_dir():
            flush(path)


def make_folder(folder: Path) -> None:
    """Creates a folder and its parents, and flushes the names of the new ones."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in new:
        flush(path.parent)
