"""Sources: what the user names becomes files, and files become spans of bytes."""

from __future__ import annotations

import glob
import importlib.util
import os
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from components.ingester.config import SourceConfig
from models.faults import ConfigError, did_you_mean

_UNREAD = (".bz2", ".xz", ".zip", ".zst", ".7z", ".lz4")
_NOT_DOCUMENTATION = re.compile(
    r"__pycache__|include|(site|dist)-packages|tests?|testing|idlelib|lib2to3|turtledemo"
    r"|_api|_tf_keras|_vendor(ed)?|externals"
)
_GENERATED = ("_pb2.py", "_pb2_grpc.py", "_test.py")


class SourceFile(NamedTuple):
    """A file, and the name it goes by in ids and dead letters."""

    path: str
    name: str


class Span(NamedTuple):
    """The part of a file that one worker reads; None reads to its end."""

    path: str
    name: str
    begin: int = 0
    end: int | None = None


def find_files(source: SourceConfig) -> list[SourceFile]:
    """Returns the files of a source, sorted by path.

    Raises:
        ConfigError: a pattern matches nothing or leaves its folder, or a package is
            not installed.
    """
    if source.format == "docstrings":
        return sorted({file for name in source.patterns for file in _package(name)})
    paths = sorted({path for pattern in source.patterns for path in _match(pattern)})
    for path in paths:
        if path.endswith(_UNREAD):
            raise ConfigError(
                f"source.{source.format}: {path} is compressed in a way that is not "
                "read; expected plain text or .gz"
            )
    names = [os.path.basename(path) for path in paths]
    if len(set(names)) < len(names):
        folder = os.path.commonpath(paths)
        names = [Path(path).relative_to(folder).as_posix() for path in paths]
    return [SourceFile(path, name) for path, name in zip(paths, names, strict=True)]


def cut_spans(
    files: list[SourceFile], source: SourceConfig, *, block_bytes: int
) -> list[tuple[Span, ...]]:
    """Groups spans of files into units of about one block.

    Only formats whose records are lines can be cut; compressed files cannot.
    """
    units: list[tuple[Span, ...]] = []
    held: list[Span] = []
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
) -> Iterator[tuple[Span, int]]:
    by_line = source.format in ("jsonl", "tsv") or (
        source.format == "txt" and source.document == "line"
    )
    for path, name in files:
        size = os.path.getsize(path)
        if not by_line or path.endswith(".gz"):
            yield Span(path, name), size
            continue
        for begin in range(0, size, block_bytes):
            end = min(begin + block_bytes, size)
            yield Span(path, name, begin, end), end - begin


def _match(pattern: str) -> list[str]:
    scheme, separator, rest = pattern.partition("://")
    if separator:
        if scheme != "file":
            raise ConfigError(
                f"{pattern}: expected a path or file://, got the scheme {scheme}://; "
                "copy the files to this machine first"
            )
        pattern = rest
    if os.path.isfile(pattern):
        return [os.path.abspath(pattern)]
    if os.path.isdir(pattern):
        raise ConfigError(f"{pattern}: expected files, got a folder; write {pattern}/*")
    found = [
        os.path.abspath(path)
        for path in glob.glob(pattern, recursive=True)
        if os.path.isfile(path)
    ]
    if not found:
        raise ConfigError(f"{pattern}: no such file{_near(pattern)}")
    _stay_inside(pattern, found)
    return found


def _near(pattern: str) -> str:
    folder, name = os.path.split(pattern)
    siblings = sorted(os.listdir(folder or ".")) if os.path.isdir(folder or ".") else []
    return did_you_mean(name, siblings)


def _stay_inside(pattern: str, found: list[str]) -> None:
    """Refuses links by which a glob would read outside the folder that it names."""
    folder = pattern
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)
    root = os.path.realpath(folder or ".")
    for path in found:
        real = os.path.realpath(path)
        if os.path.commonpath([root, real]) != root:
            raise ConfigError(
                f"{path}: a link to {real}, outside {root} that {pattern} names; "
                "name that file itself"
            )


def _package(name: str) -> Iterator[SourceFile]:
    """Yields the Python source of an installed package, found without importing it."""
    if name == "stdlib":
        yield from _python_files(sysconfig.get_paths()["stdlib"], name)
        return
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None:
        raise ConfigError(
            f"source.docstrings: no package {name!r} is installed"
            f"{did_you_mean(name, _installed())}"
        )
    for folder in spec.submodule_search_locations or ():
        yield from _python_files(folder, name)
    if not spec.submodule_search_locations and str(spec.origin).endswith(".py"):
        yield SourceFile(str(spec.origin), f"{name}.py")


def _installed() -> list[str]:
    from importlib.metadata import packages_distributions

    return ["stdlib", *packages_distributions()]


def _python_files(root: str, library: str) -> Iterator[SourceFile]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not _is_skipped(folder, name)]
        for file in files:
            if file.endswith(".py") and not file.endswith(_GENERATED):
                path = os.path.join(folder, file)
                below = path[len(root) :].lstrip(os.sep).replace(os.sep, "/")
                yield SourceFile(path, f"{library}/{below}")


def _is_skipped(folder: str, name: str) -> bool:
    """Whether a folder holds tests, vendored code or re-exports of a public API."""
    is_keras_api = name == "api" and os.path.basename(folder).startswith("keras")
    is_vendored_keras = name == "keras" and folder.endswith("tensorflow/python")
    skipped = is_keras_api or is_vendored_keras
    return skipped or bool(_NOT_DOCUMENTATION.fullmatch(name))
