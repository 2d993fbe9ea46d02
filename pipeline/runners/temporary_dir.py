"""Folder for temporary files of a run's workers, removed even after a kill.

Beam leaves its folder when its process is killed. Workers make theirs below one
folder of their runner; the next runner removes the folders of runners that are gone.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_PREFIX = "textmill-run-"
_NAME = re.compile(_PREFIX + r"(\d+)-\w+")


@contextmanager
def temporary_dir() -> Iterator[Path]:
    """Context manager: a folder, removed at the end or by a later runner."""
    _sweep()
    folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        match = _NAME.fullmatch(folder.name)
        if match and not psutil.pid_exists(int(match[1])):
            # Another user's folder cannot be removed, nor need it be.
            shutil.rmtree(folder, ignore_errors=True)
