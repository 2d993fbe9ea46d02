"""Training curves, shown while they grow: events copied to where an engine looks.

Vertex names the place of its TensorBoard in ``AIP_TENSORBOARD_LOG_DIR``; a path or
bucket of one's own does as well, set in ``run.nodes.train.env``.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textmill.components.filesystem import is_remote
from textmill.models.errors import TextmillError
from textmill.pipeline.periodic import repeating
from textmill.pipeline.remote.buckets import open_bucket

VARIABLE = "AIP_TENSORBOARD_LOG_DIR"
_SECONDS = 30.0


@contextmanager
def showing(events: Path) -> Iterator[None]:
    """Copies a folder's growing files every half minute, and once more at the end.

    A place that cannot be written to costs the curves there, and nothing else.
    """
    place = os.environ.get(VARIABLE)
    if place is None:
        yield
        return
    sizes: dict[str, int] = {}
    try:
        with repeating(lambda: _copy(events, place, sizes), seconds=_SECONDS):
            yield
    finally:
        _copy(events, place, sizes)


def show_last(events: Path) -> None:
    """Copies what the finished logs hold."""
    if (place := os.environ.get(VARIABLE)) is not None:
        _copy(events, place, {})


def _copy(events: Path, place: str, sizes: dict[str, int]) -> None:
    grown = {
        path.relative_to(events).as_posix(): path.stat().st_size
        for path in sorted(events.rglob("*"))
        if path.is_file()
    }
    try:
        for name, size in grown.items():
            if sizes.get(name) != size:
                _copy_file(events / name, place.rstrip("/"), name)
                sizes[name] = size
    except (TextmillError, OSError) as fault:
        print(f"textmill: curves are not shown: {fault}", file=sys.stderr)


def _copy_file(file: Path, place: str, name: str) -> None:
    if is_remote(place):
        bucket, prefix = open_bucket(place)
        bucket.upload(prefix + name, file, only_new=False)
    else:
        target = Path(place) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
