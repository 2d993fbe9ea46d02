"""Versions of a pushed stage: the current one, pins, rollbacks, removal of old ones.

``current.json`` in the stage's folder points to the version that readers take. A push
moves it to the new version, unless a version is pinned. A rollback copies an earlier
version under the next number, so that servers that take the highest number follow.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from textmill.components.artifacts import PushedVersion
from textmill.components.manifest import canonical_json, flush, write_manifest
from textmill.models.errors import ConfigError, IntegrityError

POINTER = "current.json"
STAGING = ".staging-"
_REMOVED = ".removed-"


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """The content of ``current.json``."""

    version: int
    pinned: bool = False
    """Pushes leave the pointer where it is."""


def read_pointer(folder: Path) -> Pointer | None:
    """Returns the pointer of a stage's folder; None if there is none.

    Raises:
        IntegrityError: the file is damaged.
    """
    path = folder / POINTER
    try:
        fields = json.loads(path.read_bytes())
        return Pointer(version=int(fields["version"]), pinned=bool(fields["pinned"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"{path}: not a pointer ({error}); delete it to take the newest version"
        ) from None


def write_pointer(folder: Path, pointer: Pointer) -> None:
    """Replaces the pointer in one rename."""
    draft = folder / f".{POINTER}"
    with draft.open("wb") as file:
        file.write(canonical_json(asdict(pointer)) + b"\n")
    flush(draft)
    draft.replace(folder / POINTER)
    flush(folder)


def current_version(folder: Path) -> Path | None:
    """Returns the folder of a stage's current version: pointed to, else the newest."""
    pointer = read_pointer(folder)
    if pointer is not None:
        version = folder / str(pointer.version)
        if (version / PushedVersion.MODEL).is_file():
            return version
    return next(iter(PushedVersion.all(folder)), None)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Context manager: keeps other writers out of a stage's folder."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def advance(folder: Path, version: int) -> None:
    """Points to a new version, unless another one is pinned."""
    pointer = read_pointer(folder)
    if pointer is None or not pointer.pinned:
        write_pointer(folder, Pointer(version=version))


def pin(folder: Path, number: int | None = None) -> int:
    """Pins a version, by default the current one, and returns its number.

    Raises:
        ConfigError: the version does not exist.
    """
    with locked(folder):
        version = _version(folder, number)
        write_pointer(folder, Pointer(version=version, pinned=True))
    return version


def unpin(folder: Path) -> int:
    """Points to the newest version again, and returns its number.

    Raises:
        ConfigError: the folder has no version.
    """
    with locked(folder):
        newest = max(_numbers(folder), default=None)
        if newest is None:
            raise ConfigError(f"{folder}: expected a pushed version, got none")
        write_pointer(folder, Pointer(version=newest))
    return newest


def rollback(folder: Path, number: int | None = None) -> tuple[int, int]:
    """Copies an earlier version under the next number, and returns both.

    Args:
        folder: the stage's folder.
        number: the version to return to; None is the newest one below the current one
            that holds another model.

    Raises:
        ConfigError: the version does not exist, or one is pinned.
        IntegrityError: the version is damaged.
    """
    with locked(folder):
        if (pointer := read_pointer(folder)) is not None and pointer.pinned:
            raise ConfigError(
                f"{folder}: version {pointer.version} is pinned; unpin it first: "
                f"textmill push unpin {folder.name}"
            )
        if number is None:
            number = _previous(folder)
        source = PushedVersion(folder / str(_version(folder, number)))
        source.verify()
        target = max(_numbers(folder)) + 1
        staging = folder / f"{STAGING}{target}"
        shutil.rmtree(staging, ignore_errors=True)
        shutil.copytree(source.path, staging)
        facts = source.facts | {"copy_of": number}
        write_manifest(staging, kind=PushedVersion.__name__, facts=facts)
        staging.rename(folder / str(target))
        flush(folder)
        write_pointer(folder, Pointer(version=target))
    return number, target


def prune(folder: Path, keep: int) -> list[int]:
    """Removes the oldest versions but ``keep``, never the current one.

    A version disappears in one rename. The caller holds the lock.
    """
    for leftover in folder.glob(f"{_REMOVED}*"):
        shutil.rmtree(leftover)
    current = current_version(folder)
    removed = []
    for number in sorted(_numbers(folder), reverse=True)[keep:]:
        version = folder / str(number)
        if version == current:
            continue
        hidden = folder / f"{_REMOVED}{number}"
        version.rename(hidden)
        shutil.rmtree(hidden)
        removed.append(number)
    return removed


def _previous(folder: Path) -> int:
    """Returns the newest version before the current one with another model."""
    current = current_version(folder)
    if current is not None:
        model = PushedVersion(current).read_card()["model"]
        for version in PushedVersion.all(folder):
            is_older = int(version.name) < int(current.name)
            if is_older and PushedVersion(version).read_card()["model"] != model:
                return int(version.name)
    raise ConfigError(
        f"{folder}: expected an earlier version of another model to return to, got "
        "none; textmill push list shows the versions"
    )


def _version(folder: Path, number: int | None) -> int:
    """Returns the number of a version that exists, by default the current one."""
    if number is None:
        current = current_version(folder)
        number = None if current is None else int(current.name)
    if number is None or number not in _numbers(folder):
        known = ", ".join(map(str, sorted(_numbers(folder)))) or "none"
        raise ConfigError(
            f"{folder}: expected one of its versions ({known}), got {number}"
        )
    return number


def _numbers(folder: Path) -> list[int]:
    return [int(version.name) for version in PushedVersion.all(folder)]
