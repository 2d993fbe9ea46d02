"""TensorBoard sync: copies growing event files to the platform's TensorBoard.

Vertex gives the folder of its TensorBoard in ``AIP_TENSORBOARD_LOG_DIR``; any other
path or bucket can be set in ``run.nodes.train.env``.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textmill.components import filesystem
from textmill.models.errors import TextmillError
from textmill.pipeline.periodic import run_periodically

VARIABLE = "AIP_TENSORBOARD_LOG_DIR"
_SECONDS = 30.0


@contextmanager
def sync_events(events: Path) -> Iterator[None]:
    """Context manager: copies event files every half minute, and once more at the end.

    If the target cannot be written, training goes on without live curves.
    """
    target = os.environ.get(VARIABLE)
    if target is None:
        yield
        return
    sizes: dict[str, int] = {}
    try:
        with run_periodically(lambda: _copy(events, target, sizes), seconds=_SECONDS):
            yield
    finally:
        _copy(events, target, sizes)


def sync_events_once(events: Path) -> None:
    """Copies the finished event files."""
    if (target := os.environ.get(VARIABLE)) is not None:
        _copy(events, target, {})


def _copy(events: Path, target: str, sizes: dict[str, int]) -> None:
    grown = {
        path.relative_to(events).as_posix(): path.stat().st_size
        for path in sorted(events.rglob("*"))
        if path.is_file()
    }
    try:
        for name, size in grown.items():
            if sizes.get(name) != size:
                _copy_file(events / name, target.rstrip("/"), name)
                sizes[name] = size
    except (TextmillError, OSError) as fault:
        print(f"textmill: event files were not copied: {fault}", file=sys.stderr)


def _copy_file(file: Path, target: str, name: str) -> None:
    if filesystem.is_remote(target):
        filesystem.upload(file, f"{target}/{name}")
    else:
        copy = Path(target) / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
