"""Base classes of readers: the ranges that workers read, and the records in them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import cached_property, partial
from itertools import groupby
from typing import NamedTuple

from textmill.components import filesystem
from textmill.components.filesystem import is_remote
from textmill.components.ingester.readers import READERS
from textmill.components.ingester.readers.compression import compression
from textmill.components.ingester.readers.encodings import (
    ByteStream,
    Utf8Stream,
    canonical_encoding,
    fitting_encoding,
    is_split_by_lines,
)
from textmill.components.ingester.readers.records import (
    DeadLetter,
    LimitsConfig,
    Line,
    Record,
    plain_text,
)
from textmill.components.ingester.readers.streams import (
    BLOCK_BYTES,
    Stream,
    line_numbers,
    open_stream,
    read_lines,
)
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.sources.files import SourceFile
from textmill.models.registry import load_object

_SAMPLE_BYTES = 64 << 10
_SAMPLE_RECORDS = 1000
_SAMPLE_RECORD_BYTES = 4 << 20
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


class FileColumns(NamedTuple):
    """Names of the columns at the beginning of a file."""

    names: tuple[str, ...]
    has_header: bool
    """Whether every record has exactly these columns."""
    is_complete: bool
    """Whether no record can have another column."""
    from_path: tuple[str, ...] = ()
    """Columns that a target or ``split.by`` may take from the paths of files."""


class Reader(ABC):
    """Base class: one format of files; each file is read as a whole."""

    has_header = False
    """Whether all records of a file have the same columns."""

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
        columns = (*source.text_columns, source.target_column, source.id)
        return {name for name in columns if name}

    def ranges(self, file: SourceFile) -> Iterator[tuple[int, int | None, int]]:
        """Yields begin, end and stored bytes of ranges that workers can read alone."""
        yield 0, None, file.size

    def columns(self, file: SourceFile) -> FileColumns:
        """Returns the columns of a file's first records.

        Raises:
            TextmillError: as ``read``.
        """
        part = FileRange(file.path, file.name, file.format, split=file.split)
        names: dict[str, None] = {}
        num_bytes = 0
        for num_read, record in enumerate(self.read(part), 1):
            if isinstance(record, Record):
                names |= dict.fromkeys(record.row)
                num_bytes += len(record.raw)
            is_enough = num_read == _SAMPLE_RECORDS or num_bytes > _SAMPLE_RECORD_BYTES
            if is_enough or (names and self.has_header):
                return FileColumns(tuple(names), self.has_header, self.has_header)
        return FileColumns(tuple(names), self.has_header, is_complete=True)

    def num_records(self, file: SourceFile) -> int | None:
        """Returns the number of records of a file that says it; else None."""
        return None

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

    def places(self, part: FileRange, offsets: list[int]) -> dict[int, dict[str, int]]:
        """Returns ``row`` and ``line`` of records by offset, where they have any.

        Both count from 1. A file of text is read up to the last offset.
        """
        return {}

    def hint(self, part: FileRange, offset: int, reason: str) -> str:
        """Returns the end of a message about a bad record: how it could be read."""
        return ""

    def open(self, part: FileRange) -> closing[Stream]:
        """Context manager: the decompressed bytes of a range's file."""
        expanded = self.limits.max_expanded_bytes
        return closing(open_stream(part.path, max_expanded_bytes=expanded))


class TextReader(Reader):
    """Base class: a format of text, in any encoding."""

    @cached_property
    def encoding(self) -> str:
        """The encoding of the files, by Python's own name."""
        return canonical_encoding(self.source.encoding or "utf-8")

    @property
    def is_transcoded(self) -> bool:
        """Returns whether files are read as a whole, and become UTF-8 as they are."""
        return not is_split_by_lines(self.encoding)

    @cached_property
    def line_encoding(self) -> str:
        """The encoding of the lines that are read."""
        return "utf-8" if self.is_transcoded else self.encoding

    @cached_property
    def decode(self) -> Callable[[bytes], str]:
        """Returns the text of a line."""
        encoding = self.line_encoding
        if encoding == "utf-8":
            return plain_text
        return partial(plain_text, encoding=encoding)

    def open(self, part: FileRange) -> closing[Stream]:
        """Context manager: the bytes of a file, as UTF-8 if it is transcoded."""
        stream = self._open_stored(part)
        return closing(
            Utf8Stream(stream, self.encoding) if self.is_transcoded else stream
        )

    def _open_stored(self, part: FileRange) -> ByteStream:
        expanded = self.limits.max_expanded_bytes
        return open_stream(part.path, max_expanded_bytes=expanded)

    def places(self, part: FileRange, offsets: list[int]) -> dict[int, dict[str, int]]:
        """Returns the lines of records by their offsets."""
        with self.open(part) as stream:
            numbers = line_numbers(stream, offsets)
        return {offset: {"line": number} for offset, number in numbers.items()}

    def hint(self, part: FileRange, offset: int, reason: str) -> str:
        """Returns the encoding that fits a file, after a record that is not text."""
        if reason not in ("invalid_utf8", "undecodable"):
            return ""
        with closing(self._open_stored(part)) as stream:
            if not self.is_transcoded:
                for _ in range(offset // _SAMPLE_BYTES):
                    stream.read(_SAMPLE_BYTES)
            sample = stream.read(_SAMPLE_BYTES)
        encoding = fitting_encoding(sample)
        if encoding in (None, self.encoding):
            return ""
        return f"; it looks like {encoding}: set source.encoding: {encoding}"


class LineReader(TextReader):
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
        if not self.can_split or self.is_transcoded or compression(file.path):
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
