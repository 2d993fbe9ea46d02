"""Rows and lines of bad records, and messages that name them.

Reading counts bytes alone. Rows and lines are counted afterwards, in the files that
hold bad records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.partitions import Rejected
from textmill.components.ingester.readers.reader import (
    FileRange,
    Reader,
    TextReader,
    open_reader,
)

_MAX_COUNTED_BYTES = 64 << 20
"""In all files of a data set; a bad record behind them has its offset alone."""


def add_positions(rejected: Iterable[Rejected], dataset: DatasetConfig) -> None:
    """Adds ``row`` and ``line``, counted from 1, to the entries of dead letters."""
    by_file: dict[tuple[str, FileRange], list[dict[str, Any]]] = defaultdict(list)
    for source, file_range, entry in rejected:
        whole = file_range._replace(begin=0, end=None)
        by_file[source, whole].append(entry)
    left = _MAX_COUNTED_BYTES
    for (source, whole), entries in by_file.items():
        reader = _reader(source, whole, dataset)
        offsets = sorted({entry["offset"] for entry in entries})
        if isinstance(reader, TextReader):
            offsets = [offset for offset in offsets if offset <= left]
            left -= max(offsets, default=0)
        places = reader.places(whole, offsets)
        for entry in entries:
            entry |= places.get(entry["offset"], {})


def describe(rejected: Rejected, dataset: DatasetConfig) -> str:
    """Returns the position of a bad record, its error, and a hint to fix it."""
    source, file_range, entry = rejected
    names = [name for name in ("row", "line") if name in entry]
    place = ", ".join(f"{name} {entry[name]}" for name in names)
    if "line" in entry:
        place += f" (byte {entry['offset']})"
    hint = _reader(source, file_range, dataset).hint(
        file_range, entry["offset"], entry["reason"]
    )
    place = place or f"byte {entry['offset']}"
    return f"{file_range.path}, {place}: {entry['detail']}{hint}"


def _reader(source: str, file_range: FileRange, dataset: DatasetConfig) -> Reader:
    return open_reader(
        file_range.format, dataset.named_sources()[source], limits=dataset.limits
    )
