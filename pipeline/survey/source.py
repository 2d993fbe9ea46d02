"""Finds the source of data by its name: a file, a pattern, a URL or a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from textmill.models.errors import ConfigError
from textmill.pipeline.text_files import encoding_of, ending_of, file_source, read_head

if TYPE_CHECKING:
    from textmill.components.ingester.sources.config import SourceConfig
    from textmill.components.ingester.sources.files import SourceFile

_LEAST_BLANK = 0.05
"""Share of blank lines from which on a text file consists of paragraphs."""


def find_source(data: str) -> dict[str, Any]:
    """Returns the keys of a source without its columns: ``{"csv": "/data/a.csv"}``.

    Raises:
        ConfigError: the file does not exist, or its name has no known format.
    """
    from textmill.components.ingester.sources.config import SourceConfig

    path = data if "://" in data else os.path.abspath(data)
    source: dict[str, Any] = (
        _folder_source(path) if os.path.isdir(path) else dict(file_source(path))
    )
    return source | _options(SourceConfig(**source))


def _folder_source(folder: str) -> dict[str, Any]:
    """Returns the source of a folder: files of one format, or a layout with splits.

    Raises:
        ConfigError: it has no files of a known format.
    """
    from textmill.components.ingester.sources.hub_layout import format_of, split_of

    names = _data_files(folder)
    if not names:
        raise ConfigError(f"{folder}: expected data files in the folder, found none")
    formats = {
        format_of(name, where=folder) if PurePath(name).suffix else "txt"
        for name in names
    }
    splits = {split_of(name) for name in names}
    if len(formats) > 1 or ("train" in splits and splits & {"eval", "test"}):
        return {"folder": folder}
    [format] = formats
    patterns = tuple(f"{folder}/{pattern}" for pattern in _patterns(names))
    return {format: patterns[0] if len(patterns) == 1 else patterns}


def _data_files(folder: str) -> list[str]:
    """Returns the relative paths of the data files below a folder, sorted."""
    from textmill.components.ingester.sources.hub_layout import is_data

    names = [
        os.path.relpath(os.path.join(parent, name), folder).replace(os.sep, "/")
        for parent, _, files in os.walk(folder)
        for name in files
    ]
    return sorted(filter(is_data, names))


def _patterns(names: Sequence[str]) -> list[str]:
    """Returns globs for relative paths, one for each ending."""
    depths = {name.count("/") for name in names}
    above = "*/" * depths.pop() if len(depths) == 1 else "**/"
    return sorted({f"{above}*{ending_of(name)}" for name in names})


def _options(source: SourceConfig) -> dict[str, Any]:
    """Returns the options that the first file of a source needs."""
    from textmill.components.ingester.readers import READERS
    from textmill.components.ingester.sources.files import find_files

    files = find_files(source)
    format = files[0].format
    options: dict[str, Any] = {}
    if "encoding" in READERS[format].options:
        head = read_head(files[0].path)
        encoding = encoding_of(head)
        options = {} if encoding is None else {"encoding": encoding}
        if format == "txt" and (document := _document(head, files, encoding)):
            options["document"] = document
    if source.reader == "csv":
        delimiter = _delimiter(files[0], options)
        options |= {} if delimiter == "," else {"delimiter": delimiter}
    return options


def _document(
    head: bytes, files: Sequence[SourceFile], encoding: str | None
) -> str | None:
    """Returns the unit of plain text: one of several files, or a paragraph of one."""
    if len(files) > 1:
        return "file"
    lines = head.decode(encoding or "utf-8", errors="replace").strip().split("\n")
    num_blank = sum(not line.strip() for line in lines)
    return "paragraph" if num_blank > _LEAST_BLANK * len(lines) else None


def _delimiter(file: SourceFile, options: dict[str, Any]) -> str:
    from textmill.components.ingester.readers.csv import CsvReader
    from textmill.components.ingester.readers.reader import FileRange
    from textmill.components.ingester.sources.config import SourceConfig

    reader = CsvReader(SourceConfig(csv=file.path, **options))
    return reader.delimiter(FileRange(file.path, file.name, file.format))
