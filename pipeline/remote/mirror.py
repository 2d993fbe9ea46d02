"""The mirror: a root folder that may lie behind gs:// or s3://, seen as a local one.

All code works on paths below ``Mirror.path``. For a local root that is the root
itself. For a remote one it is a folder of this machine, which gets what is fetched and
from which is sent what was made. ``execution.json`` is sent last and only where there
is none, so a folder in a bucket is whole when it holds one, as on disk.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from textmill.components.filesystem import is_remote
from textmill.components.manifest import MANIFEST
from textmill.models.errors import ConfigError, MachineError
from textmill.pipeline.publish import EXECUTION
from textmill.pipeline.remote.buckets import Bucket, open_bucket

_TRANSFERS = 8
_HISTORY = (EXECUTION, MANIFEST)


class Mirror:
    """One root, local or remote.

    Args:
        root: a path, or a URL of a bucket's folder.
        folder: where a remote root appears; None makes one that is removed at the end.
    """

    def __init__(self, root: str, folder: Path | None = None) -> None:
        self.root = root.rstrip("/")
        self.is_remote = is_remote(root)
        self._kept: dict[str, tuple[int, int]] = {}
        if not self.is_remote:
            self.path = Path(root.removeprefix("file://")).absolute()
            return
        if folder is None:
            self._made = tempfile.TemporaryDirectory(prefix="textmill-")
            folder = Path(self._made.name)
        self.path = folder.absolute()

    @cached_property
    def _bucket(self) -> tuple[Bucket, str]:
        return open_bucket(self.root)

    def sizes(self, folder: str) -> dict[str, int]:
        """Returns the sizes of a remote folder's files, by path below the root."""
        if not self.is_remote:
            return {}
        bucket, prefix = self._bucket
        found = bucket.sizes(f"{prefix}{folder}/")
        return {name.removeprefix(prefix): size for name, size in found.items()}

    def fetch(
        self, folder: str, *, wanted: Callable[[str], bool] = lambda name: True
    ) -> None:
        """Brings a remote folder's files here, those that are not here yet.

        Args:
            folder: its path below the root.
            wanted: says by its path below the root whether a file is.
        """
        names = {n: size for n, size in self.sizes(folder).items() if wanted(n)}
        with ThreadPoolExecutor(_TRANSFERS) as pool:
            list(pool.map(self._fetch_file, names, names.values()))

    def fetch_history(self, folder: str) -> bool:
        """Brings what says how an execution came to be, if all it made is there.

        Returns:
            Whether the remote folder holds a whole execution.
        """
        sizes = self.sizes(folder)
        if f"{folder}/{EXECUTION}" not in sizes:
            return False
        self.fetch(folder, wanted=lambda name: Path(name).name in _HISTORY)
        for manifest in (self.path / folder).glob(f"*/{MANIFEST}"):
            place = f"{folder}/{manifest.parent.name}"
            for file in json.loads(manifest.read_bytes())["files"]:
                if sizes.get(f"{place}/{file['path']}") != file["size"]:
                    return False
        return True

    def send(self, folder: str, *, last: str = EXECUTION) -> None:
        """Sends a folder's files to a remote root; what makes it whole goes last.

        Raises:
            ConfigError: another run was faster, with another result.
        """
        if not self.is_remote:
            return
        names = list(self._here(folder))
        seals = [name for name in names if Path(name).name == last]
        self._send_files(name for name in names if name not in seals)
        for name in seals:
            if not self.claim(name):
                raise ConfigError(
                    f"{self.root}/{name}: expected none, another run has just made it; "
                    "run again to use its result"
                )

    def claim(self, name: str) -> bool:
        """Sends a file to a remote root where there is none.

        Returns:
            False if there is one already, with other bytes.
        """
        if not self.is_remote:
            return True
        bucket, prefix = self._bucket
        if bucket.upload(prefix + name, self.path / name, only_new=True):
            return True
        with tempfile.TemporaryDirectory() as folder:
            theirs = Path(folder) / "theirs"
            bucket.download(prefix + name, theirs)
            return theirs.read_bytes() == (self.path / name).read_bytes()

    def keep(
        self,
        folder: str,
        *,
        wanted: Callable[[str], bool] = lambda name: True,
        done: bool = False,
    ) -> None:
        """Makes a remote folder what the local one is now, which may be changing.

        The last files by name go first, and nothing is removed there before all that is
        here has arrived: whoever fetches the folder in between finds the older ones.

        Args:
            folder: its path below the root.
            wanted: says by its path below the root whether a file is.
            done: whether nothing changes any more, so that an empty folder is meant.
        """
        if not self.is_remote:
            return
        stamps = {}
        for name in filter(wanted, self._here(folder)):
            with suppress(FileNotFoundError):
                stat = (self.path / name).stat()
                stamps[name] = (stat.st_size, stat.st_mtime_ns)
        if not done and (not stamps or stamps == self._kept):
            return
        there, kept = set(self.sizes(folder)), self._kept
        for name in sorted(stamps, reverse=True):
            is_new = name not in there or kept.get(name, stamps[name]) != stamps[name]
            if is_new and not self._send_while_there(name):
                return
        self._kept = stamps
        bucket, prefix = self._bucket
        for name in sorted(there - set(stamps)):
            bucket.delete(prefix + name)

    def _send_while_there(self, name: str) -> bool:
        """Sends a file, unless it is gone by now."""
        bucket, prefix = self._bucket
        try:
            return bucket.upload(prefix + name, self.path / name, only_new=False)
        except MachineError:
            if (self.path / name).exists():
                raise
            return False

    def _here(self, folder: str) -> Iterator[str]:
        """Yields the files of a local folder by their paths below the root."""
        # Unlike rglob, walk passes over folders that go while it looks.
        for place, folders, names in os.walk(self.path / folder):
            folders.sort()
            for name in sorted(names):
                yield (Path(place) / name).relative_to(self.path).as_posix()

    def _send_files(self, names: Iterable[str]) -> None:
        bucket, prefix = self._bucket
        with ThreadPoolExecutor(_TRANSFERS) as pool:
            for sent in [
                pool.submit(
                    bucket.upload, prefix + name, self.path / name, only_new=False
                )
                for name in names
            ]:
                sent.result()

    def _fetch_file(self, name: str, size: int) -> None:
        bucket, prefix = self._bucket
        target = self.path / name
        if target.is_file() and target.stat().st_size == size:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        bucket.download(prefix + name, draft)
        draft.replace(target)
