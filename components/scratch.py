"""The exchange: files that a step and Beam's workers pass to each other.

Workers on this machine, and those that mount its disk, use the step's own folder. Where
``run.beam`` has a ``temp_location`` behind a URL, files go through that: a worker
fetches what it reads and sends what it writes. A place is a path or a URL.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock

from textmill.components import filesystem as remote
from textmill.components.base import Context
from textmill.components.filesystem import is_remote
from textmill.models.errors import TextmillError

_LOCKS: dict[str, Lock] = {}
_LOCKS_LOCK = Lock()


@dataclass(frozen=True)
class ScratchDir:
    """A folder that a step and its workers see, for as long as the step takes."""

    folder: str
    """Its path or URL."""

    @property
    def is_remote(self) -> bool:
        """Whether workers do not see this machine's disk."""
        return is_remote(self.folder)

    def place(self, name: str) -> str:
        """Returns where a file of the folder is."""
        return f"{self.folder}/{name}"

    def names(self, start: str) -> list[str]:
        """Returns the names of the folder's files that begin so, sorted."""
        if not self.is_remote:
            return sorted(path.name for path in Path(self.folder).glob(f"{start}*"))
        found = remote.match(self.place(f"{start}*"))
        return sorted(file.url.rpartition("/")[2] for file in found)

    def give(self, path: Path) -> str:
        """Lets workers read a file of this machine; returns its place."""
        if not self.is_remote:
            return str(path)
        place = self.place(path.name)
        remote.send(path, place)
        return place

    def target(self, folder: Path, name: str) -> str:
        """Returns where a worker writes what is to become a file of a folder here."""
        return self.place(name) if self.is_remote else str(folder / name)

    def collect(self, folder: Path, name: str) -> None:
        """Brings what a worker wrote to a target into its folder."""
        if self.is_remote:
            remote.fetch(self.place(name), folder / name)


@contextmanager
def open_exchange(context: Context, *, beside: Path) -> Iterator[ScratchDir]:
    """Lends an empty exchange.

    Args:
        context: the runner's, with its work folder and Beam's options.
        beside: the folder that a folder is made in where there is no work folder.
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
        beside.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".exchange-", dir=beside))
    else:
        folder = context.work_dir / "exchange"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    try:
        yield ScratchDir(str(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove(url: str) -> None:
    """Removes what the exchange held; what stays there fails no step."""
    try:
        remote.remove(url)
    except TextmillError as fault:
        print(f"{url}: is not needed any more, remove it: {fault}", flush=True)


def local(place: str) -> Path:
    """Returns a path of this machine under which the file of a place can be read.

    It stays for as long as the process does, and is fetched once.

    Raises:
        RemoteError: its file system does not answer.
    """
    if not is_remote(place):
        return Path(place)
    scheme, _, name = place.partition("://")
    path = Path(_fetched().name, scheme, name)
    with _LOCKS_LOCK:
        lock = _LOCKS.setdefault(place, Lock())
    with lock:
        if not path.exists():
            remote.fetch(place, path)
    return path


@contextmanager
def lent(place: str) -> Iterator[Path]:
    """Lends a path under which the file of a place can be read, this once.

    Raises:
        RemoteError: its file system does not answer.
    """
    if not is_remote(place):
        yield Path(place)
        return
    with _draft(place) as path:
        remote.fetch(place, path)
        yield path


@cache
def _fetched() -> tempfile.TemporaryDirectory[str]:
    """Returns the folder of what this process has fetched, removed when it ends."""
    return tempfile.TemporaryDirectory(prefix="textmill-")


@contextmanager
def writing(place: str) -> Iterator[Path]:
    """Lends a path; what is written there is at the place afterwards.

    Raises:
        RemoteError: its file system does not answer.
    """
    if not is_remote(place):
        yield Path(place)
        return
    with _draft(place) as path:
        yield path
        remote.send(path, place)


@contextmanager
def _draft(place: str) -> Iterator[Path]:
    """Lends a path of this machine with a place's name."""
    with tempfile.TemporaryDirectory(prefix="textmill-") as folder:
        yield Path(folder) / place.rpartition("/")[2]
