"""Whether this machine can run pipelines: Python, room, libraries, the root folder."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

PYTHONS = ((3, 11), (3, 13))
CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
_GB = 1e9


@dataclass(frozen=True)
class Symptom:
    """One thing that was looked at."""

    verdict: Literal["fine", "note", "stop"]
    what: str
    found: str


def examine(root: Path) -> list[Symptom]:
    """Looks at everything that a run needs; imports none of it."""
    return [
        _python(),
        _cores(),
        _room("memory", free_memory(), enough=4 * _GB, least=1 * _GB),
        _room("disk", shutil.disk_usage(existing(root)).free, 5 * _GB, 1 * _GB),
        _root(root),
        *_locks(root),
        *_libraries(),
    ]


def _python() -> Symptom:
    found = sys.version_info[:2]
    said = ".".join(map(str, sys.version_info[:3]))
    if PYTHONS[0] <= found <= PYTHONS[1]:
        return Symptom("fine", "python", said)
    first, last = (".".join(map(str, version)) for version in PYTHONS)
    return Symptom("stop", "python", f"expected {first} to {last}, got {said}")


def _cores() -> Symptom:
    return Symptom("fine", "cores", str(len(os.sched_getaffinity(0))))


def free_memory() -> float:
    """Returns the bytes that can still be had, within the container's limit."""
    table = Path("/proc/meminfo").read_text()
    found = re.search(r"MemAvailable:\s+(\d+) kB", table)
    free = int(found[1]) * 1024.0 if found else 0.0
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        used = (group / "memory.current").read_text()
    except OSError:
        return free
    return free if limit == "max" else min(free, float(limit) - float(used))


def _room(what: str, free: float, enough: float, least: float) -> Symptom:
    said = f"{free / _GB:.1f} GB free"
    if free < least:
        return Symptom("stop", what, f"{said}, a run needs {least / _GB:.0f} GB")
    if free < enough:
        return Symptom("note", what, f"{said}, {enough / _GB:.0f} GB is comfortable")
    return Symptom("fine", what, said)


def existing(path: Path) -> Path:
    """Returns a path, or the nearest parent that exists."""
    return next(p for p in [path, *path.absolute().parents] if p.exists())


def _root(root: Path) -> Symptom:
    folder = existing(root)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Symptom("stop", "root", f"{folder}: {error.strerror}; give --root")
    return Symptom("fine", "root", f"{root}, {'there' if root.exists() else 'new'}")


def _locks(root: Path) -> Iterator[Symptom]:
    """Names the locks in use; the system frees those of ended processes by itself."""
    for path in sorted(root.glob("locks/*.lock")):
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                said = f"{path.stem} is being run by another process"
                yield Symptom("note", "lock", said)


def _libraries() -> Iterator[Symptom]:
    try:
        needed = metadata.requires("textmill") or []
    except metadata.PackageNotFoundError:
        yield Symptom("note", "textmill", "runs from its source, is not installed")
        return
    tested = _constraints()
    for requirement in sorted(r for r in needed if "extra ==" not in r):
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        yield _library(name, requirement, tested.get(_normal(name)))


def _library(name: str, requirement: str, tested: str | None) -> Symptom:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Symptom("stop", name, f"missing; pip install '{requirement}'")
    if tested in (None, found):
        return Symptom("fine", name, found)
    return Symptom("note", name, f"{found}, tested with {tested}")


def _constraints() -> dict[str, str]:
    """Returns the versions that Textmill was tested with, where the file is at hand."""
    if not CONSTRAINTS.is_file():
        return {}
    lines = [line.split("#")[0].strip() for line in CONSTRAINTS.read_text().split("\n")]
    pins = [line.split("==") for line in lines if "==" in line]
    return {_normal(name): version for name, version in pins}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
