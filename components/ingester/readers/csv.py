"""Tables: the lines of tsv, and the records of csv (RFC 4180), become rows by column.

A line of tsv holds no quotes; a quoted field of csv may hold newlines.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial
from typing import Any

from textmill.components.ingester.readers.reader import FileRange, LineReader, Records
from textmill.components.ingester.readers.records import (
    BadRecord,
    DeadLetter,
    Line,
    Record,
    parse_lines,
    plain_text,
)
from textmill.components.ingester.readers.streams import read_lines
from textmill.models.errors import DataError

csv.field_size_limit(2**31 - 1)  # the bound on a whole record comes first


class TsvReader(LineReader):
    """Reads a row from every line; without ``columns`` the first line names them."""

    def parse(self, lines: Iterator[Line | DeadLetter], part: FileRange) -> Records:
        """Yields the rows of lines.

        Raises:
            DataError: the header names a column twice, or is too long.
        """
        columns = self.source.columns
        if columns is None:
            header = self._header(part)
            if header is None:
                return iter(())
            columns = _column_names(part, plain_text(header.raw).split("\t"))
            lines = (line for line in lines if line.offset != header.offset)
        return parse_lines(lines, partial(parse_tsv, columns=columns))

    def _header(self, part: FileRange) -> Line | None:
        """Returns the first line that is not blank, wherever the range begins."""
        max_bytes = self.limits.max_line_bytes
        with self.open(part) as stream:
            for line in read_lines(stream, begin=0, end=None, max_line_bytes=max_bytes):
                if isinstance(line, DeadLetter):
                    raise DataError(f"{part.path}: the header line is {line.detail}")
                if not line.is_blank:
                    return line
        return None


class CsvReader(LineReader):
    """Reads a row from every record; without ``columns`` the first one names them."""

    can_split = False

    def parse(self, lines: Iterator[Line | DeadLetter], part: FileRange) -> Records:
        """Yields the rows of a whole file.

        Raises:
            DataError: the header names a column twice.
        """
        columns = self.source.columns
        record = _CsvRecord(lines, self.limits.max_line_bytes)
        reader = csv.reader(record, strict=True)
        while True:
            record.begin()
            try:
                fields = next(reader)
                if not fields:
                    continue
                if columns is None:
                    columns = _column_names(part, fields)
                else:
                    yield Record(record.offset, record.raw, _row(columns, fields))
            except StopIteration:
                return
            except (BadRecord, csv.Error) as error:
                if record.parts:
                    if not isinstance(error, BadRecord):
                        error = BadRecord("bad_csv", str(error))
                    yield DeadLetter.of(record.offset, record.raw, error)
                if record.skipped:
                    yield record.skipped


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


def _column_names(part: FileRange, names: list[str]) -> tuple[str, ...]:
    duplicate = next((name for name in names if names.count(name) > 1), None)
    if duplicate is not None:
        raise DataError(
            f"{part.path}: the header names column {duplicate!r} twice; without a "
            "header line, name the columns in source.columns"
        )
    return tuple(names)


class _CsvRecord:
    """The lines of a csv reader, with the bytes of the record that it reads."""

    def __init__(self, lines: Iterator[Line | DeadLetter], max_bytes: int) -> None:
        self._lines, self._max_bytes = lines, max_bytes
        self.begin()

    def begin(self) -> None:
        self.parts: list[bytes] = []
        self.offset = self._size = 0
        self.skipped: DeadLetter | None = None

    def __iter__(self) -> _CsvRecord:
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
