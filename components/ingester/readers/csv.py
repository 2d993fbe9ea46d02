"""Tables: tsv and csv become rows by column.

A line of tsv holds no quotes; csv follows RFC 4180, quoted newlines included.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

from textmill.components.ingester.config import LimitsConfig
from textmill.components.ingester.readers.records import (
    BadRecord,
    DeadLetter,
    Line,
    Lines,
    Record,
    parse_lines,
    plain_text,
)
from textmill.components.ingester.readers.streams import (
    open_stream,
    read_lines,
)
from textmill.components.ingester.sources.files import FileRange
from textmill.models.errors import DataError

csv.field_size_limit(2**31 - 1)  # the bound on a whole record comes first


def parse_tsv(raw: bytes, *, columns: tuple[str, ...]) -> dict[str, Any]:
    """Returns the fields of one line by column.

    Raises:
        BadRecord: as ``parse_text``, and ragged.
    """
    return _row(columns, plain_text(raw).split("\t"))


def _row(columns: tuple[str, ...], fields: list[str]) -> dict[str, Any]:
    if len(fields) != len(columns):
        raise BadRecord("ragged", f"expected {len(columns)} fields, got {len(fields)}")
    return dict(zip(columns, fields, strict=True))


def read_tsv(
    span: FileRange, lines: Lines, columns: tuple[str, ...] | None, limits: LimitsConfig
) -> Iterator[Record | DeadLetter]:
    """Yields the rows of the lines; without ``columns`` the first line names them.

    Raises:
        DataError: the header names a column twice, or is too long.
    """
    if columns is None:
        header = _tsv_header(span, limits)
        if header is None:
            return iter(())
        columns = _columns(span, plain_text(header.raw).split("\t"))
        lines = (line for line in lines if line.offset != header.offset)
    return parse_lines(lines, partial(parse_tsv, columns=columns))


def _tsv_header(span: FileRange, limits: LimitsConfig) -> Line | None:
    expanded = limits.max_expanded_bytes
    with closing(open_stream(span.path, max_expanded_bytes=expanded)) as stream:
        for line in read_lines(
            stream, begin=0, end=None, max_line_bytes=limits.max_line_bytes
        ):
            if isinstance(line, DeadLetter):
                raise DataError(f"{span.path}: the header line is {line.detail}")
            if not line.is_blank:
                return line
    return None


def _columns(span: FileRange, names: list[str]) -> tuple[str, ...]:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(
            f"{span.path}: the header names column {twice!r} twice; without a header "
            "line, name the columns in source.columns"
        )
    return tuple(names)


class _CsvFeed:
    """Feeds lines to a csv reader and holds the bytes of the record in hand."""

    def __init__(self, lines: Iterator[Line | DeadLetter], max_bytes: int) -> None:
        self._lines, self._max_bytes = lines, max_bytes
        self.begin_record()

    def begin_record(self) -> None:
        self.parts: list[bytes] = []
        self.offset = self._size = 0
        self.skipped: DeadLetter | None = None

    def __iter__(self) -> _CsvFeed:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        if isinstance(line, DeadLetter):
            self.skipped = line
            raise BadRecord(
                "bad_csv", "an open quote runs into a line too long to hold"
            )
        if not self.parts:
            self.offset = line.offset
        self.parts.append(line.raw)
        self._size += len(line.raw) + 1
        if self._size > self._max_bytes:
            raise BadRecord("record_too_long", f"longer than {self._max_bytes} bytes")
        return plain_text(line.raw) + "\n"

    @property
    def raw(self) -> bytes:
        return b"\n".join(self.parts)


def read_csv(
    span: FileRange, lines: Lines, columns: tuple[str, ...] | None, max_bytes: int
) -> Iterator[Record | DeadLetter]:
    """Yields the rows of a whole file; without ``columns`` the first record names them.

    Raises:
        DataError: the header names a column twice.
    """
    feed = _CsvFeed(iter(lines), max_bytes)
    reader = csv.reader(feed, strict=True)
    while True:
        feed.begin_record()
        try:
            fields = next(reader)
            if not fields:
                continue
            if columns is None:
                columns = _columns(span, fields)
            else:
                yield Record(feed.offset, feed.raw, _row(columns, fields))
        except StopIteration:
            return
        except (BadRecord, csv.Error) as error:
            if feed.parts:
                why = error if isinstance(error, BadRecord) else _bad_csv(error)
                yield DeadLetter.of(feed.offset, feed.raw, why)
            if feed.skipped:
                yield feed.skipped


def _bad_csv(error: csv.Error) -> BadRecord:
    return BadRecord("bad_csv", str(error))
