"""Base classes of readers: the ranges that workers read, and the records in them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import groupby
from typing import NamedTuple

from textmill.components import filesystem
from textmill.components.filesystem import is_remote
from textmill.components.ingester.readers import READERS
from textmill.components.ingester.readers.compression import compression
from textmill.components.ingester.readers.records import (
    DeadLetter,
    LimitsConfig,
    Line,
    Record,
)
from textmill.components.ingester.readers.streams import (
    BLOCK_BYTES,
    Stream,
    open_stream,
    read_lines,
)
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.sources.files import SourceFile
from textmill.models.registry import load_object

_REMOTE_BLOCKS = 16
"""Blocks in a range of a remote file: opening one takes at least one request."""

Records = Iterator[Record | DeadLetter]


class FileRange(NamedTuple):
    """The part of a file that one worker reads; an ``end`` of None is the file's.

    Bytes of a file of lines, row groups of a Parquet file.
    """

    path: str
    name: str
    format: str
    begin: int = 0
    end: int | None = None
    split: str | None = None


class Reader(ABC):
    """Base class: one format of files; each file is read as a whole."""

    def __init__(
        self,
        source: SourceConfig,
        *,
        limits: LimitsConfig | None = None,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self.source = source
        self.limits = limits or LimitsConfig()
        self.block_bytes = block_bytes

    @property
    def needed_columns(self) -> set[str]:
        """The columns that a document is made of."""
        source = self.source
        return {n for n in (source.text, source.target_column, source.id) if n}

    def ranges(self, file: SourceFile) -> Iterator[tuple[int, int | None, int]]:
        """Yields begin, end and stored bytes of ranges that workers can read alone."""
        yield 0, None, file.size

    @abstractmethod
    def read(self, part: FileRange) -> Records:
        """Yields the records of a range in order.

        Raises:
            IntegrityError: the file is damaged.
            DataError: the file as a whole cannot be read.
        """

    def read_all(
        self, parts: Sequence[FileRange]
    ) -> Iterator[tuple[FileRange, Record | DeadLetter]]:
        """Yields the records of several ranges, each with its range."""
        for part in parts:
            for record in self.read(part):
                yield part, record

    def open(self, part: FileRange) -> closing[Stream]:
        """Context manager: the decompressed bytes of a range's file."""
        expanded = self.limits.max_expanded_bytes
        return closing(open_stream(part.path, max_expanded_bytes=expanded))


class LineReader(Reader):
    """Base class: a format whose records begin with a line."""

    can_split = True
    """Whether a worker may begin at any line."""

    def ranges(self, file: SourceFile) -> Iterator[tuple[int, int | None, int]]:
        """Yields ranges of about a block where a file can be read from its middle."""
        step = self._step(file)
        if step is None:
            yield 0, None, file.size
            return
        for begin in range(0, file.size, step):
            end = min(begin + step, file.size)
            yield begin, end, end - begin

    def _step(self, file: SourceFile) -> int | None:
        if not self.can_split or compression(file.path):
            return None
        if not is_remote(file.path):
            return self.block_bytes
        step = self.block_bytes * _REMOTE_BLOCKS
        can_seek = file.size <= step or filesystem.is_seekable(file.path)
        return step if can_seek else None

    def read(self, part: FileRange) -> Records:
        """Yields the records that begin in a range of bytes."""
        with self.open(part) as stream:
            lines = read_lines(
                stream,
                begin=part.begin,
                end=part.end,
                max_line_bytes=self.limits.max_line_bytes,
                block_bytes=self.block_bytes,
            )
            yield from self.parse(lines, part)

    @abstractmethod
    def parse(self, lines: Iterator[Line | DeadLetter], part: FileRange) -> Records:
        """Yields the records of the lines of a range."""


def open_reader(
    name: str,
    source: SourceConfig,
    *,
    limits: LimitsConfig | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Reader:
    """Returns the reader of a format for the files of a source."""
    path = READERS[name].reader
    assert path is not None, name
    reader: type[Reader] = load_object(path)
    return reader(source, limits=limits, block_bytes=block_bytes)


def split_ranges(
    files: list[SourceFile], source: SourceConfig, *, block_bytes: int
) -> list[tuple[FileRange, ...]]:
    """Groups ranges of files into partitions of about one block.

    Raises:
        IntegrityError: a Parquet file has no readable footer.
    """
    readers = {
        name: open_reader(name, source, block_bytes=block_bytes)
        for name in {file.format for file in files}
    }
    partitions: list[tuple[FileRange, ...]] = []
    pending: list[FileRange] = []
    size = 0
    for file in files:
        for begin, end, num_bytes in readers[file.format].ranges(file):
            part = FileRange(file.path, file.name, file.format, begin, end, file.split)
            pending.append(part)
            size += num_bytes
            if size >= block_bytes:
                partitions.append(tuple(pending))
                pending, size = [], 0
    return [*partitions, tuple(pending)] if pending else partitions


def read_ranges(
    parts: Iterable[FileRange],
    *,
    source: SourceConfig,
    limits: LimitsConfig,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[tuple[FileRange, Record | DeadLetter]]:
    """Yields the records of ranges in order, each with its range.

    Raises:
        IntegrityError: a file is damaged.
        DataError: a header names a column twice, or a file expands beyond its bounds.
    """
    for name, group in groupby(parts, key=lambda part: part.format):
        reader = open_reader(name, source, limits=limits, block_bytes=block_bytes)
        yield from reader.read_all(list(group))
