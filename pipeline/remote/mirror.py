"""The mirror: a root folder at a path, or at gs:// or s3://, used as a local folder.

All code works on paths below ``Mirror.path``. For a local root that is the root
itself. For a remote one it is a folder of this machine, with the files that were
downloaded and those to upload. ``execution.json`` is uploaded last and only if there is
none, so a folder in a bucket is complete when it holds one, as on disk.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from textmill.components import filesystem
from textmill.components.filesystem import is_remote
from textmill.components.manifest import MANIFEST
from textmill.models.errors import ConfigError, IntegrityError, MachineError
from textmill.pipeline.publish import EXECUTION

_TRANSFERS = 8
_HISTORY = (EXECUTION, MANIFEST)
_OUTSIDE = frozenset(("", ".", ".."))
"""Parts of a path that no key of ours has."""


class Mirror:
    """One root, local or remote.

    Args:
        root: a path, or a URL of a bucket's folder.
        folder: the local folder of a remote root; None makes a temporary one.

    Raises:
        ConfigError: the root's store cannot detect that two runs write one file.
    """

    def __init__(self, root: str, folder: Path | None = None) -> None:
        self.root = root.rstrip("/")
        self.is_remote = is_remote(root)
        self._uploaded: dict[str, tuple[int, int]] = {}
        if not self.is_remote:
            self.path = Path(root.removeprefix("file://")).absolute()
            return
        filesystem.check_conditional(root)
        if folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="textmill-")
            folder = Path(self._temporary.name)
        self.path = folder.absolute()

    def sizes(self, folder: str) -> dict[str, int]:
        """Returns the sizes of a remote folder's files, by path below the root.

        Raises:
            IntegrityError: a key would leave the local folder, where it is downloaded.
        """
        if not self.is_remote:
            return {}
        sizes = {}
        for file in filesystem.find(self._url(folder)):
            name = file.url.removeprefix(f"{self.root}/")
            if not _OUTSIDE.isdisjoint(name.split("/")):
                raise IntegrityError(
                    f"{file.url}: expected a path below {self.root}, got a key that "
                    "leads out of it; remove it, and find out who may write there"
                )
            sizes[name] = file.size
        return sizes

    def fetch(
        self, folder: str, *, wanted: Callable[[str], bool] = lambda name: True
    ) -> None:
        """Downloads a remote folder's files that the local folder lacks.

        Args:
            folder: its path below the root.
            wanted: selects files by their paths below the root.
        """
        names = {n: size for n, size in self.sizes(folder).items() if wanted(n)}
        with ThreadPoolExecutor(_TRANSFERS) as pool:
            list(pool.map(self._fetch_file, names, names.values()))

    def fetch_history(self, folder: str) -> bool:
        """Downloads an execution's record and manifests, if its outputs are complete.

        Returns:
            True if the remote folder holds a complete execution.
        """
        sizes = self.sizes(folder)
        if f"{folder}/{EXECUTION}" not in sizes:
            return False
        self.fetch(folder, wanted=lambda name: Path(name).name in _HISTORY)
        for manifest in (self.path / folder).glob(f"*/{MANIFEST}"):
            output = f"{folder}/{manifest.parent.name}"
            for file in json.loads(manifest.read_bytes())["files"]:
                if sizes.get(f"{output}/{file['path']}") != file["size"]:
                    return False
        return True

    def send(self, folder: str, *, last: str = EXECUTION) -> None:
        """Uploads a folder's files to a remote root, the one that completes it last.

        Raises:
            ConfigError: another run was faster, with another result.
        """
        if not self.is_remote:
            return
        names = list(self._local_files(folder))
        seals = [name for name in names if Path(name).name == last]
        self._send_files(name for name in names if name not in seals)
        for name in seals:
            if not self.claim(name):
                raise ConfigError(
                    f"{self.root}/{name}: expected none, another run has just made it; "
                    "run again to use its result"
                )

    def claim(self, name: str) -> bool:
        """Uploads a file to a remote root unless there is one.

        Returns:
            False if there is one already, with other bytes.
        """
        if not self.is_remote or filesystem.create(self.path / name, self._url(name)):
            return True
        with tempfile.TemporaryDirectory() as folder:
            theirs = Path(folder) / "theirs"
            filesystem.download(self._url(name), theirs)
            return theirs.read_bytes() == (self.path / name).read_bytes()

    def keep(
        self,
        folder: str,
        *,
        wanted: Callable[[str], bool] = lambda name: True,
        done: bool = False,
    ) -> None:
        """Makes a remote folder equal to the local one, which may be changing.

        The last files by name go first, and nothing is removed remotely before all
        local files have arrived: a reader in between gets the older ones.

        Args:
            folder: its path below the root.
            wanted: selects files by their paths below the root.
            done: True when nothing changes any more, so that an empty folder is meant.
        """
        if not self.is_remote:
            return
        stamps = {}
        for name in filter(wanted, self._local_files(folder)):
            with suppress(FileNotFoundError):
                stat = (self.path / name).stat()
                stamps[name] = (stat.st_size, stat.st_mtime_ns)
        if not done and (not stamps or stamps == self._uploaded):
            return
        remote, before = set(self.sizes(folder)), self._uploaded
        for name in sorted(stamps, reverse=True):
            changed = before.get(name, stamps[name]) != stamps[name]
            if (changed or name not in remote) and not self._send_if_present(name):
                return
        self._uploaded = stamps
        filesystem.delete([self._url(name) for name in sorted(remote - set(stamps))])

    def _url(self, name: str) -> str:
        return f"{self.root}/{name}"

    def _send_file(self, name: str) -> None:
        filesystem.upload(self.path / name, self._url(name))

    def _send_if_present(self, name: str) -> bool:
        """Uploads a file; returns False if it has been removed meanwhile."""
        try:
            self._send_file(name)
        except MachineError:
            if (self.path / name).exists():
                raise
            return False
        return True

    def _local_files(self, folder: str) -> Iterator[str]:
        """Yields the files of a local folder by their paths below the root."""
        # Unlike rglob, walk passes over folders that are removed during the walk.
        for parent, folders, names in os.walk(self.path / folder):
            folders.sort()
            for name in sorted(names):
                yield (Path(parent) / name).relative_to(self.path).as_posix()

    def _send_files(self, names: Iterable[str]) -> None:
        with ThreadPoolExecutor(_TRANSFERS) as pool:
            list(pool.map(self._send_file, names))

    def _fetch_file(self, name: str, size: int) -> None:
        target = self.path / name
        if not (target.is_file() and target.stat().st_size == size):
            filesystem.download(self._url(name), target)
