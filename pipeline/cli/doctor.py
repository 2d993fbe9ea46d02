"""``textmill doctor``: checks Python, memory, disk, libraries and the root folder."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from textmill.models.errors import MachineError
from textmill.pipeline.cli.options import DEFAULT_ROOT, Root

PYTHONS = ((3, 11), (3, 13))
CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
_DRIVER = Path("/proc/driver/nvidia")
_GB = 1e9


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    status: Literal["fine", "note", "stop"]
    subject: str
    result: str


def doctor(root: Root = DEFAULT_ROOT) -> None:
    """Checks whether this machine can run pipelines, and says so."""
    from textmill.pipeline.cli.display import render_table

    checks = examine(root)
    print(render_table([[c.status, c.subject, c.result] for c in checks]))
    print(f"\n{verdict(checks)}")
    for check in checks:
        if check.status == "stop":
            raise MachineError(f"{check.subject}: {check.result}")


def verdict(checks: Sequence[Check]) -> str:
    """Returns the conclusion of the checks in one sentence."""
    stops = [check.subject for check in checks if check.status == "stop"]
    notes = [check.subject for check in checks if check.status == "note"]
    if stops:
        return f"This machine cannot run pipelines yet: {', '.join(stops)}."
    if notes:
        return f"This machine can run pipelines; see the notes: {', '.join(notes)}."
    return "This machine can run pipelines."


def examine(root: Path) -> list[Check]:
    """Checks everything that a run needs, without importing any of it."""
    return [
        _python(),
        _cores(),
        _gpu(),
        _room("memory", free_memory(), enough=4 * _GB, least=1 * _GB),
        _room("disk", shutil.disk_usage(existing(root)).free, 5 * _GB, 1 * _GB),
        _root(root),
        *_locks(root),
        *_libraries(),
    ]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return Check("fine", "python", version)
    first, last = (".".join(map(str, python)) for python in PYTHONS)
    return Check("stop", "python", f"expected {first} to {last}, got {version}")


def _cores() -> Check:
    return Check("fine", "cores", str(len(os.sched_getaffinity(0))))


def _gpu(driver: Path = _DRIVER) -> Check:
    """Looks for NVIDIA's driver, its GPUs, and the libraries of TensorFlow for them."""
    models = [_model(path) for path in sorted(driver.glob("gpus/*/information"))]
    if not models:
        return Check("fine", "gpu", "none; training uses the cores")
    gpus = ", ".join(models)
    try:
        metadata.version("nvidia-cudnn-cu12")
    except metadata.PackageNotFoundError:
        wanted = "pip install 'tensorflow[and-cuda]'"
        return Check("note", "gpu", f"{gpus}; TensorFlow's libraries: {wanted}")
    return Check("fine", "gpu", gpus)


def _model(information: Path) -> str:
    """Returns the name of a GPU as its driver gives it."""
    for line in information.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "Model":
            return value.strip()
    return "an NVIDIA GPU"


def free_memory() -> float:
    """Returns the free memory in bytes, within the container's limit."""
    import psutil

    free = float(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        used = (group / "memory.current").read_text()
    except OSError:
        return free
    return free if limit == "max" else min(free, float(limit) - float(used))


def _room(subject: str, free: float, enough: float, least: float) -> Check:
    result = f"{free / _GB:.1f} GB free"
    if free < least:
        return Check("stop", subject, f"{result}, a run needs {least / _GB:.0f} GB")
    if free < enough:
        return Check("note", subject, f"{result}, {enough / _GB:.0f} GB is better")
    return Check("fine", subject, result)


def existing(path: Path) -> Path:
    """Returns a path, or the nearest parent that exists."""
    return next(p for p in [path, *path.absolute().parents] if p.exists())


def _root(root: Path) -> Check:
    folder = existing(root)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Check("stop", "root", f"{folder}: {error.strerror}; give --root")
    return Check("fine", "root", f"{root}, {'exists' if root.exists() else 'new'}")


def _locks(root: Path) -> Iterator[Check]:
    """Yields the locks in use; those of ended processes are free."""
    for path in sorted(root.glob("locks/*.lock")):
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                result = f"{path.stem} is being run by another process"
                yield Check("note", "lock", result)


def _libraries() -> Iterator[Check]:
    try:
        needed = metadata.requires("textmill") or []
    except metadata.PackageNotFoundError:
        yield Check("note", "textmill", "run from source, not installed")
        return
    tested = _constraints()
    for requirement in sorted(r for r in needed if "extra ==" not in r):
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        yield _library(name, requirement, tested.get(_normal(name)))


def _library(name: str, requirement: str, tested: str | None) -> Check:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check("stop", name, f"missing; pip install '{requirement}'")
    if tested in (None, version):
        return Check("fine", name, version)
    return Check("note", name, f"{version}, tested with {tested}")


def _constraints() -> dict[str, str]:
    """Returns the versions that Textmill was tested with, if the file is there."""
    if not CONSTRAINTS.is_file():
        return {}
    lines = [line.split("#")[0].strip() for line in CONSTRAINTS.read_text().split("\n")]
    pins = [line.split("==") for line in lines if "==" in line]
    return {_normal(name): version for name, version in pins}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
