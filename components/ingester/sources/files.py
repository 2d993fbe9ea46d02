"""Sources: what the user names becomes files, and files become spans of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from textmill.components import filesystem as remote
from textmill.components.base import ExternalVersion
from textmill.components.filesystem import is_remote
from textmill.components.ingester.readers.compression import (
    UNREAD,
    compression,
)
from textmill.components.ingester.sources import hub_layout as folders
from textmill.components.ingester.sources import installed_packages as packages
from textmill.components.ingester.sources import local_files, tfds
from textmill.components.ingester.sources.config import (
    FILE_FORMATS,
    SourceConfig,
)
from textmill.components.ingester.sources.span_patterns import (
    Resolution,
    resolve,
)
from textmill.models.errors import ConfigError, IntegrityError

_REMOTE_BLOCKS = 16
"""How many blocks a span of a remote file has: to open one takes a request or more."""


class SourceFile(NamedTuple):
    """A file of a source."""

    path: str
    """Where it is: an absolute path, or a URL."""
    name: str
    """What it is called in ids and dead letters."""
    split: str | None = None
    """The split that the source gives it; None where it says nothing."""
    format: str | None = None
    """How it is read; None for the source's own format."""
    size: int = 0
    """Its size in bytes, as it is stored."""
    identity: str | None = None
    """What changes with its content, for a remote file."""


class FileRange(NamedTuple):
    """The part of a file that one worker reads; None reads to its end.

    Bytes of a file of lines, row groups of a Parquet file.
    """

    path: str
    name: str
    begin: int = 0
    end: int | None = None
    split: str | None = None
    format: str | None = None


def find_files(source: SourceConfig) -> list[SourceFile]:
    """Returns the files of a source, sorted by path.

    Raises:
        ConfigError: a pattern matches nothing, leaves its folder or has a scheme that
            is not installed; a package or prepared data set is missing; a file belongs
            to two splits or is of no format that is read.
        IntegrityError: a prepared data set is not whole.
        RemoteError: a file system does not answer.
    """
    if source.format == "docstrings":
        names = source.patterns
        found = {file for name in names for file in packages.source_files(name)}
        return [
            SourceFile(path, name, size=os.path.getsize(path))
            for path, name in sorted(found)
        ]
    if source.format == "tfds":
        return _prepared_files(source)
    if source.format == "folder":
        return _folder_files(source)
    resolution = _resolution(source)
    files: dict[str, SourceFile] = {}
    for split, pattern in source.files():
        glob = resolution.patterns.get(pattern, pattern)
        for path, size, identity in _match(glob, within=pattern):
            _check_ending(path, source.format)
            other = files.setdefault(
                path, SourceFile(path, "", split, source.format, size, identity)
            )
            if other.split != split:
                raise ConfigError(
                    f"{path}: belongs to {other.split} and to {split}; name every file "
                    "under one split"
                )
    paths = sorted(files)
    return [
        files[path]._replace(name=name)
        for path, name in zip(paths, _names(paths), strict=True)
    ]


def resolved(source: SourceConfig) -> dict[str, str | int]:
    """Returns what {SPAN} or a date and {VERSION} stand for; empty without any.

    ``{"span": 7, "version": 2}`` or ``{"span": "2026-11-01"}``.

    Raises:
        ConfigError: no file has them, or not the one that the source pins.
    """
    return _resolution(source).values


def external_files(source: SourceConfig) -> list[Path | ExternalVersion]:
    """Returns what a source's documents depend on: a component's external files.

    Raises:
        ConfigError, RemoteError: as ``find_files``.
    """
    files = find_files(source)
    found: list[Path | ExternalVersion] = [
        Path(file.path)
        if file.identity is None
        else ExternalVersion(file.path, file.identity)
        for file in files
    ]
    if source.format == "tfds":
        prepared = tfds.read_prepared(tfds.find_folder(source))
        found += [Path(path) for path in prepared.described_by]
    if values := resolved(source):
        identity = " ".join(f"{name} {value}" for name, value in values.items())
        found += [
            ExternalVersion(pattern.removeprefix("file://"), identity)
            for pattern in source.patterns
            if "{" in pattern
        ]
    return found


def _resolution(source: SourceConfig) -> Resolution:
    if source.format not in FILE_FORMATS:
        return Resolution({}, {})
    return resolve(source, _list)


def _list(pattern: str) -> list[str]:
    if is_remote(pattern):
        return [file.url for file in remote.match(pattern)]
    return local_files.list_files(pattern)


def _match(pattern: str, *, within: str) -> Iterator[tuple[str, int, str | None]]:
    """Yields path, size and, for remote files, identity."""
    if not is_remote(pattern):
        for path in local_files.match(pattern, within=within):
            yield path, os.path.getsize(path), None
        return
    found = remote.match(pattern)
    if not found:
        raise ConfigError(f"{pattern}: no such file")
    yield from found


def _names(paths: list[str]) -> list[str]:
    """Returns what files are called: their names, or paths from where they part."""
    names = [path.rpartition("/")[2] for path in paths]
    if len(set(names)) == len(names):
        return names
    columns = zip(*(path.split("/")[:-1] for path in paths), strict=False)
    shared = sum(1 for _ in takewhile(lambda parts: len(set(parts)) == 1, columns))
    return ["/".join(path.split("/")[shared:]) for path in paths]


def _check_ending(path: str, format: str) -> None:
    if path.endswith(UNREAD):
        raise ConfigError(
            f"source.{format}: {path} is compressed in a way that is not read; "
            "expected plain text or .gz, .zst, .bz2, .xz"
        )
    if format == "parquet" and compression(path):
        raise ConfigError(
            f"source.parquet: {path} is compressed as a whole; expected Parquet, which "
            "compresses its columns: decompress it first"
        )


def _prepared_files(source: SourceConfig) -> list[SourceFile]:
    prepared = tfds.read_prepared(tfds.find_folder(source))
    files = []
    for name, (split, _) in sorted(prepared.shards.items()):
        path = os.path.join(prepared.folder, name)
        if not os.path.isfile(path):
            raise IntegrityError(
                f"{path}: the shard is missing; prepare the data set again"
            )
        files.append(SourceFile(path, name, split, "tfds", os.path.getsize(path)))
    return files


def _folder_files(source: SourceConfig) -> list[SourceFile]:
    folder = str(source.folder).rstrip("/")
    if is_remote(folder):
        pattern = f"{folder}/**"
        there = {
            path[len(folder) + 1 :]: (path, size, identity)
            for path, size, identity in remote.match(pattern)
        }
    else:
        folder = os.path.abspath(folder.removeprefix("file://"))
        there = {}
        for name in local_files.walk(folder):
            path = os.path.join(folder, name)
            there[name] = (path, os.path.getsize(path), None)
    files = []
    for name in sorted(filter(folders.is_data, there)):
        path, size, identity = there[name]
        kind = folders.format_of(name, where=folder)
        _check_ending(path, kind)
        split = folders.split_of(name)
        files.append(SourceFile(path, name, split, kind, size, identity))
    if not files:
        raise ConfigError(f"{folder}: expected data files in the folder, found none")
    return files


def split_ranges(
    files: list[SourceFile], source: SourceConfig, *, block_bytes: int
) -> list[tuple[FileRange, ...]]:
    """Groups spans of files into units of about one block.

    Files whose records are lines are cut at bytes where they can be read from their
    middle, Parquet files between row groups, others not at all.

    Raises:
        IntegrityError: a Parquet file has no readable footer.
    """
    units: list[tuple[FileRange, ...]] = []
    held: list[FileRange] = []
    size = 0
    for span, length in _spans(files, source, block_bytes):
        held.append(span)
        size += length
        if size >= block_bytes:
            units.append(tuple(held))
            held, size = [], 0
    return [*units, tuple(held)] if held else units


def _spans(
    files: list[SourceFile], source: SourceConfig, block_bytes: int
) -> Iterator[tuple[FileRange, int]]:
    for file in files:
        whole = FileRange(file.path, file.name, split=file.split, format=file.format)
        kind = file.format or source.format
        if kind == "parquet":
            from textmill.components.ingester.readers.parquet import cut

            for begin, end, length in cut(file.path, block_bytes=block_bytes):
                yield whole._replace(begin=begin, end=end), length
            continue
        step = _step(file, kind, source, block_bytes)
        if step is None:
            yield whole, file.size
            continue
        for begin in range(0, file.size, step):
            end = min(begin + step, file.size)
            yield whole._replace(begin=begin, end=end), end - begin


def _step(
    file: SourceFile, kind: str, source: SourceConfig, block_bytes: int
) -> int | None:
    """Returns the bytes of a span, or None where a file is read as a whole."""
    by_line = kind in ("jsonl", "tsv") or (kind == "txt" and source.document == "line")
    if not by_line or compression(file.path):
        return None
    if not is_remote(file.path):
        return block_bytes
    step = block_bytes * _REMOTE_BLOCKS
    return step if file.size <= step or remote.is_seekable(file.path) else None
