"""Lists the files of a source, and further files that they depend on.

Planning runs this: no reader, and no library of one, is imported.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from textmill.components import filesystem
from textmill.components.base import ExternalVersion
from textmill.components.filesystem import is_remote
from textmill.components.ingester.readers import READERS
from textmill.components.ingester.readers.compression import UNREAD, compression
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.sources.span_patterns import (
    Resolution,
    escape_folders,
    resolve,
)
from textmill.models.errors import ConfigError, did_you_mean
from textmill.models.registry import load_object

_WILDCARD = re.compile(r"[*?[{]")


class SourceFile(NamedTuple):
    """A file of a source."""

    path: str
    """An absolute path, or a URL."""
    name: str
    """Its name in ids and dead letters."""
    format: str
    """Its row in READERS."""
    split: str | None = None
    """The split that the source gives it; None where it names none."""
    size: int = 0
    """Its stored size in bytes."""
    identity: str | None = None
    """A text that changes with its content, for a remote file."""
    described_by: tuple[str, ...] = ()
    """Further files that its documents depend on."""


def find_files(source: SourceConfig) -> list[SourceFile]:
    """Returns the files of a source, sorted by path.

    Raises:
        ConfigError: a pattern matches nothing, leaves its folder or has a scheme that
            is not installed; a package or prepared data set is missing; a file belongs
            to two splits, has an unknown format or a name that is not UTF-8.
        IntegrityError: a prepared data set is incomplete.
        RemoteError: a file system does not answer.
    """
    list_files: Callable[[SourceConfig], list[SourceFile]]
    list_files = load_object(READERS[source.reader].files)
    files = list_files(source)
    for file in files:
        _check_name(file.path)
    return files


def _check_name(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode(errors="backslashreplace")
        raise ConfigError(
            f"{shown}: the name of the file is not UTF-8; rename it"
        ) from None


def external_files(source: SourceConfig) -> list[Path | ExternalVersion]:
    """Returns the external files and versions that a source's documents depend on.

    Raises:
        ConfigError, RemoteError: as ``find_files``.
    """
    files = find_files(source)
    external: list[Path | ExternalVersion] = [
        Path(file.path)
        if file.identity is None
        else ExternalVersion(file.path, file.identity)
        for file in files
    ]
    described_by = dict.fromkeys(path for file in files for path in file.described_by)
    external += map(Path, described_by)
    if values := resolved_span(source):
        identity = " ".join(f"{name} {value}" for name, value in values.items())
        external += [
            ExternalVersion(pattern.removeprefix("file://"), identity)
            for pattern in source.patterns
            if "{" in pattern
        ]
    return external


def resolved_span(source: SourceConfig) -> dict[str, str | int]:
    """Returns the values of {SPAN} or a date and {VERSION}; empty without any.

    ``{"span": 7, "version": 2}`` or ``{"span": "2026-11-01"}``.

    Raises:
        ConfigError: no file has them, or not the one that the source pins.
    """
    return _resolution(source).values


def match_files(source: SourceConfig) -> list[SourceFile]:
    """Returns the files that a source's paths and globs match, sorted by path.

    Raises:
        ConfigError, RemoteError: as ``find_files``.
    """
    resolution = _resolution(source)
    files: dict[str, SourceFile] = {}
    for split, pattern in source.files_by_split():
        concrete = resolution.patterns.get(pattern, pattern)
        for path, size, identity in _match(concrete, within=pattern):
            check_ending(path, source.reader)
            file = SourceFile(path, "", source.reader, split, size, identity)
            if files.setdefault(path, file).split != split:
                raise ConfigError(
                    f"{path}: belongs to {files[path].split} and to {split}; name "
                    "every file under one split"
                )
    paths = sorted(files)
    patterns = [resolution.patterns.get(name, name) for name in source.patterns]
    return [
        files[path]._replace(name=name)
        for path, name in zip(paths, _names(patterns, paths), strict=True)
    ]


def _resolution(source: SourceConfig) -> Resolution:
    has_braces = any("{" in pattern for pattern in source.patterns)
    if not has_braces or not READERS[source.reader].takes_files:
        return Resolution({}, {})
    return resolve(source, _list)


def _list(pattern: str) -> list[str]:
    if is_remote(pattern):
        return [file.url for file in filesystem.match(pattern)]
    return _glob(pattern)


def _match(pattern: str, *, within: str) -> Iterator[tuple[str, int, str | None]]:
    """Yields path, size and, for remote files, identity."""
    if not is_remote(pattern):
        for path in _match_local(pattern, within=within):
            yield path, os.path.getsize(path), None
        return
    files = filesystem.match(pattern)
    if not files:
        raise ConfigError(f"{pattern}: no such file")
    yield from files


def _names(patterns: Sequence[str], paths: list[str]) -> list[str]:
    """Returns the names of files in ids, which new files of a glob leave as they are.

    Names are the paths below the folder that all patterns have in common, before their
    first wildcard. Without a wildcard they are file names, if no two are equal.
    """
    if any(_WILDCARD.search(pattern) for pattern in patterns):
        folders = [_fixed_folder(pattern) for pattern in patterns]
    else:
        names = [path.rpartition("/")[2] for path in paths]
        if len(set(names)) == len(names):
            return names
        folders = [os.path.dirname(path) for path in paths]
    columns = zip(*(folder.split("/") for folder in folders), strict=False)
    shared = sum(1 for _ in takewhile(lambda parts: len(set(parts)) == 1, columns))
    return ["/".join(path.split("/")[shared:]) for path in paths]


def _fixed_folder(pattern: str) -> str:
    """Returns the folder of a path or pattern above its first wildcard or brace."""
    folder = os.path.dirname(pattern.removeprefix("file://"))
    while _WILDCARD.search(folder) and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder if is_remote(pattern) else os.path.abspath(folder or ".")


def check_ending(path: str, format: str) -> None:
    """Refuses a file whose compression cannot be read.

    Raises:
        ConfigError: it is an archive, or compressed where the format cannot be.
    """
    if path.endswith(UNREAD):
        raise ConfigError(
            f"source.{format}: {path} is compressed in a way that is not read; "
            "expected plain text or .gz, .zst, .bz2, .xz"
        )
    if compression(path) and not READERS[format].is_compressible:
        raise ConfigError(
            f"source.{format}: {path} is compressed as a whole; expected a file that "
            "compresses its own parts: decompress it first"
        )


def _glob(pattern: str) -> list[str]:
    """Returns the files that a glob matches, as the glob writes them."""
    pattern = escape_folders(pattern.removeprefix("file://"))
    paths = glob.glob(pattern, recursive=True)
    return [path for path in paths if os.path.isfile(path)]


def _match_local(pattern: str, *, within: str) -> list[str]:
    """Returns the absolute paths that a path or glob of this machine names.

    Args:
        pattern: a path, a glob, or one of both after ``file://``.
        within: the pattern as the user wrote it: no link may lead out of the folder
            before its first wildcard or brace.

    Raises:
        ConfigError: it matches no file, names a folder, or leaves its folder.
    """
    pattern = pattern.removeprefix("file://")
    within = within.removeprefix("file://")
    if os.path.isfile(pattern):
        paths = [os.path.abspath(pattern)]
        if pattern != within:
            check_links(within, paths)
        return paths
    if os.path.isdir(pattern):
        raise ConfigError(f"{pattern}: expected files, got a folder; write {pattern}/*")
    paths = [os.path.abspath(path) for path in _glob(pattern)]
    if not paths:
        raise ConfigError(f"{pattern}: no such file{similar_path(pattern)}")
    check_links(within, paths)
    return paths


def similar_path(path: str) -> str:
    """Returns a suggestion among the files in the same folder, for messages."""
    folder, name = os.path.split(path)
    siblings = sorted(os.listdir(folder or ".")) if os.path.isdir(folder or ".") else []
    return did_you_mean(name, siblings)


def check_links(pattern: str, paths: list[str]) -> None:
    """Refuses links by which a glob would read outside the folder that it names.

    The cache of the Hugging Face Hub may link from ``snapshots`` to its ``blobs``.

    Raises:
        ConfigError: a path leads elsewhere.
    """
    root = os.path.realpath(_fixed_folder(pattern))
    cache, is_cache, _ = f"{root}/".rpartition("/snapshots/")
    roots = [root, f"{cache}/blobs"] if is_cache else [root]
    for path in paths:
        real = os.path.realpath(path)
        if all(os.path.commonpath([root, real]) != root for root in roots):
            raise ConfigError(
                f"{path}: a link to {real}, outside {root} that {pattern} names; "
                "name that file itself"
            )
