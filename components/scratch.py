"""The scratch folder: files that a step and Beam's workers pass to each other.

Workers on this machine, and those that mount its disk, use the step's own folder. If
``run.beam`` has a ``temp_location`` that is a URL, files go through it: a worker
downloads its inputs and uploads its outputs. A place is a path or a URL.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock

from textmill.components import filesystem
from textmill.components.base import Context
from textmill.components.filesystem import is_remote
from textmill.models.errors import TextmillError

_LOCKS: dict[str, Lock] = {}
_LOCKS_LOCK = Lock()


@dataclass(frozen=True)
class ScratchDir:
    """A folder that a step and its workers share while the step runs."""

    folder: str
    """Its path or URL."""

    @property
    def is_remote(self) -> bool:
        """True if the folder is a URL, because workers cannot read this disk."""
        return is_remote(self.folder)

    def path(self, name: str) -> str:
        """Returns the path or URL of a file in the folder."""
        return f"{self.folder}/{name}"

    def names(self, prefix: str) -> list[str]:
        """Returns the sorted names of the files that start with a prefix."""
        if not self.is_remote:
            return sorted(path.name for path in Path(self.folder).glob(f"{prefix}*"))
        files = filesystem.match(self.path(f"{prefix}*"))
        return sorted(file.url.rpartition("/")[2] for file in files)

    def upload(self, path: Path, name: str | None = None) -> str:
        """Makes a local file readable by workers; returns its place.

        Args:
            path: the file.
            name: its path in the scratch folder; by default its name.
        """
        if not self.is_remote:
            return str(path)
        place = self.path(name or path.name)
        filesystem.upload(path, place)
        return place

    def target(self, folder: Path, name: str) -> str:
        """Returns the place where a worker writes a file of a local folder."""
        return self.path(name) if self.is_remote else str(folder / name)

    def download(self, folder: Path, name: str) -> None:
        """Copies a file that a worker wrote to its target into the local folder."""
        if self.is_remote:
            filesystem.download(self.path(name), folder / name)


@contextmanager
def open_scratch_dir(context: Context, *, parent: Path) -> Iterator[ScratchDir]:
    """Context manager: an empty scratch folder, deleted on exit.

    Args:
        context: the runner's, with its work folder and Beam's options.
        parent: holds the folder if the context has no work folder.
    """
    temp = str(context.beam.get("temp_location") or "")
    if is_remote(temp):
        url = f"{temp.rstrip('/')}/textmill-{uuid.uuid4().hex}"
        try:
            yield ScratchDir(url)
        finally:
            _remove(url)
        return
    if context.work_dir is None:
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".scratch-", dir=parent))
    else:
        folder = context.work_dir / "scratch"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    try:
        yield ScratchDir(str(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove(url: str) -> None:
    """Deletes a remote scratch folder; a failure is logged and fails no step."""
    try:
        filesystem.delete([file.url for file in filesystem.find(url)])
    except TextmillError as error:
        logging.warning("%s: could not be deleted, delete it: %s", url, error)


def cached_path(place: str) -> Path:
    """Returns a local path of a file, downloaded once and kept while the process runs.

    Raises:
        RemoteError: the file system does not answer.
    """
    if not is_remote(place):
        return Path(place)
    scheme, _, name = place.partition("://")
    path = Path(_download_dir().name, scheme, name)
    with _LOCKS_LOCK:
        lock = _LOCKS.setdefault(place, Lock())
    with lock:
        if not path.exists():
            filesystem.download(place, path)
    return path


@contextmanager
def local_copy(place: str) -> Iterator[Path]:
    """Context manager: a local copy of a file, deleted on exit if it was remote.

    Raises:
        RemoteError: the file system does not answer.
    """
    if not is_remote(place):
        yield Path(place)
        return
    with _temporary_path(place) as path:
        filesystem.download(place, path)
        yield path


@cache
def _download_dir() -> tempfile.TemporaryDirectory[str]:
    """Returns the download folder of this process, deleted when it ends."""
    return tempfile.TemporaryDirectory(prefix="textmill-")


@contextmanager
def uploading(place: str) -> Iterator[Path]:
    """Context manager: a local path whose file is uploaded to the place on exit.

    Raises:
        RemoteError: the file system does not answer.
    """
    if not is_remote(place):
        yield Path(place)
        return
    with _temporary_path(place) as path:
        yield path
        filesystem.upload(path, place)


@contextmanager
def _temporary_path(place: str) -> Iterator[Path]:
    """Context manager: a local path with the file name of a place."""
    with tempfile.TemporaryDirectory(prefix="textmill-") as folder:
        yield Path(folder) / place.rpartition("/")[2]
