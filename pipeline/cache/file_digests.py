"""File digests: hashes of external files, computed again only after a change.

A stored digest is valid while size, modification time, change time and inode are the
same, and only if it was taken at least two seconds after the last change: a second
change within the same clock tick would leave all four as they are.
"""

from __future__ import annotations

import hashlib
import os
import sysconfig
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from stat import S_ISREG

from textmill.components.base import ExternalVersion
from textmill.components.manifest import sha256_file
from textmill.models.errors import ConfigError, MachineError
from textmill.pipeline.store import MetadataStore

_RACY_NS = 2_000_000_000
_LARGE = 1 << 20


class FileDigests:
    """Digests of files, kept in the metadata store."""

    def __init__(self, store: MetadataStore) -> None:
        self._store = store
        self._known = store.file_digests()

    def read(self, files: Sequence[Path | ExternalVersion]) -> dict[str, str]:
        """Returns the SHA-256 of files, by a name that does not depend on the machine.

        An ``ExternalVersion`` enters with its identity.

        Raises:
            ConfigError: a file is missing, or not a regular file.
            MachineError: a file cannot be read.
        """
        known = dict(file for file in files if isinstance(file, ExternalVersion))
        paths = [
            os.path.abspath(f) for f in files if not isinstance(f, ExternalVersion)
        ]
        try:
            digests = self._digests(paths)
        except FileNotFoundError as error:
            raise ConfigError(f"{error.filename}: no such file") from error
        except PermissionError as error:
            raise MachineError(
                f"{error.filename}: may not be read; grant this user the right to"
            ) from error
        except OSError as error:
            place = error.filename or os.path.commonpath(paths)
            raise MachineError(
                f"{place}: {error.strerror}; check the disk, then run again"
            ) from error
        digests |= {name: f"is {identity}" for name, identity in known.items()}
        names = _names([path for path in digests if os.path.isabs(path)])
        return {names.get(path, path): digest for path, digest in digests.items()}

    def _digests(self, paths: Iterable[str]) -> dict[str, str]:
        time_ns = time.time_ns()
        unchanged, changed, settled = {}, {}, {}
        for path in paths:
            stat = os.stat(path)
            _check_regular(path, stat)
            state = (
                f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"
            )
            known = self._known.get(_stored_name(path))
            if known and known[0] == state:
                unchanged[path] = known[1]
            else:
                changed[path] = stat.st_size
                if time_ns - stat.st_ctime_ns > _RACY_NS:
                    settled[path] = state
        hashes = _hash(changed)
        fresh = {
            _stored_name(path): (state, hashes[path]) for path, state in settled.items()
        }
        self._known.update(fresh)
        self._store.remember_file_digests(fresh)
        return unchanged | hashes


@cache
def _kernel_devices() -> frozenset[int]:
    """Returns the devices of /proc and /sys, where there are any."""
    folders = filter(os.path.isdir, ("/proc", "/sys"))
    return frozenset(os.stat(folder).st_dev for folder in folders)


def _check_regular(path: str, stat: os.stat_result) -> None:
    """Refuses pipes, devices and files of the kernel, whose content has no digest.

    Raises:
        ConfigError: it is one.
    """
    of_kernel = stat.st_dev in _kernel_devices()
    if of_kernel or not S_ISREG(stat.st_mode):
        kind = "a file of the kernel" if of_kernel else "a pipe, device or folder"
        raise ConfigError(
            f"{path}: expected a file on a disk, got {kind}; copy the data to a file"
        )


def _stored_name(path: str) -> str:
    """Returns the name of a file in the store: a hash, as a path may hold a secret."""
    return hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()


def _hash(sizes: Mapping[str, int]) -> dict[str, str]:
    """Hashes files: large ones in threads, which would only slow small ones down."""
    hashes = {}
    large = [path for path, size in sizes.items() if size > _LARGE]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pending = pool.map(sha256_file, map(Path, large))
        for path, size in sizes.items():
            if size <= _LARGE:
                with open(path, "rb", buffering=0) as stream:
                    hashes[path] = hashlib.sha256(stream.read()).hexdigest()
        return hashes | dict(zip(large, pending, strict=True))


def _names(paths: Sequence[str]) -> dict[str, str]:
    """Returns paths relative to Python's library folders, or to their common folder."""
    names, others = {}, []
    for path in paths:
        if library := _library(path):
            names[path] = path[len(library) + 1 :]
        else:
            others.append(path)
    if others:
        parent = common_folder(others)
        names |= {path: os.path.relpath(path, parent) for path in others}
    return names


def outside_libraries(paths: Iterable[str]) -> list[str]:
    """Returns the absolute paths outside Python's library folders."""
    return [path for path in paths if _library(path) is None]


def common_folder(paths: Iterable[str]) -> str:
    """Returns the closest folder that contains all of the absolute paths."""
    return os.path.commonpath([os.path.dirname(path) for path in paths])


def _library(path: str) -> str | None:
    return next((lib for lib in _libraries() if path.startswith(lib + os.sep)), None)


@cache
def _libraries() -> list[str]:
    """Returns Python's library folders, inner folders before their parents."""
    places = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}
    return sorted(places, key=len, reverse=True)
