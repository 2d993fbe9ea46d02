"""Tables: the lines of tsv, and the records of csv (RFC 4180), become rows by column.

A line of tsv holds no quotes; a quoted field of csv may hold newlines. A header of
several columns that occurs again, as in files that were joined, is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

from textmill.components.ingester.readers.csv_records import CsvRecord, CsvRecords
from textmill.components.ingester.readers.dialects import (
    DELIMITERS,
    NAMES,
    Dialect,
    detect_delimiter,
    pads_quotes,
)
from textmill.components.ingester.readers.reader import FileRange, LineReader, Records
from textmill.components.ingester.readers.records import (
    BadRecord,
    DeadLetter,
    Line,
    Record,
    parse_lines,
)
from textmill.components.ingester.readers.streams import read_lines
from textmill.models.errors import DataError

_HEAD_BYTES = 64 << 10
_HEAD_LINES = 50


@dataclass(frozen=True)
class Columns:
    """The names of the columns of a table, in order."""

    names: tuple[str, ...]
    has_unnamed: bool = False
    """Whether several columns have no name; these are left out."""

    def row(self, fields: list[str]) -> dict[str, Any]:
        """Returns the fields of a record by column.

        Raises:
            BadRecord: ragged, for another number of fields.
        """
        if len(fields) != len(self.names):
            raise BadRecord("ragged", _ragged(len(self.names), fields))
        row = dict(zip(self.names, fields, strict=True))
        if self.has_unnamed:
            del row[""]
        return row


class TableReader(LineReader):
    """Base class: lines of fields, whose first record may name the columns."""

    has_header = True

    def is_header(self, fields: list[str]) -> bool:
        """Returns whether the first record of a file names its columns.

        Without ``header``, it does if the config has no columns, or if it repeats the
        config's names of the columns that documents are made of.
        """
        names, header = self.source.columns, self.source.header
        if names is None or header is not None:
            return header is not False
        pairs = zip(names, fields, strict=False)
        repeated = {name for name, field in pairs if name == field}
        needed = self.needed_columns & set(names)
        return bool(needed) and needed <= repeated and len(fields) == len(names)

    def named_columns(self) -> Columns | None:
        """Returns the columns of the config, if it names them."""
        names = self.source.columns
        return None if names is None else Columns(names)

    def header_columns(self, part: FileRange, fields: list[str]) -> Columns:
        """Returns the columns of a file with a header.

        Raises:
            DataError: the header names one twice.
        """
        if columns := self.named_columns():
            return columns
        for name in fields:
            if name and fields.count(name) > 1:
                raise DataError(
                    f"{part.path}: the header names column {name!r} twice; rename one, "
                    "or name all of them in source.columns with header: true"
                )
        return Columns(tuple(fields), has_unnamed=fields.count("") > 1)

    def bad_header(self, part: FileRange, letter: DeadLetter | BadRecord) -> DataError:
        """Returns the error of a file whose header is a bad record."""
        hint = self.hint(part, 0, letter.reason)
        return DataError(f"{part.path}: the header is bad: {letter.detail}{hint}")


class TsvReader(TableReader):
    """Reads a row from every line; without ``columns`` the first line names them."""

    def parse(self, lines: Iterator[Line | DeadLetter], part: FileRange) -> Records:
        """Yields the rows of lines.

        Raises:
            DataError: the header is bad, or names a column twice.
        """
        columns = self.named_columns()
        if columns is None or self.source.header is not False:
            first = self._first_line(part)
            if first is None:
                return iter(())
            fields = self._first_fields(first, part)
            if fields is not None and self.is_header(fields):
                columns = self.header_columns(part, fields)
                self._check_separator(part, columns, fields)
                lines = _without_header(lines, first, is_joined=len(fields) > 1)
        assert columns is not None
        return parse_lines(
            lines, partial(parse_tsv, columns=columns, decode=self.decode)
        )

    def _first_line(self, part: FileRange) -> Line | DeadLetter | None:
        """Returns the first line that is not blank, wherever the range begins."""
        max_bytes = self.limits.max_line_bytes
        with self.open(part) as stream:
            for line in read_lines(
                stream,
                begin=0,
                end=None,
                max_line_bytes=max_bytes,
                block_bytes=_HEAD_BYTES,
            ):
                if isinstance(line, DeadLetter) or not line.is_blank:
                    return line
        return None

    def _first_fields(
        self, first: Line | DeadLetter, part: FileRange
    ) -> list[str] | None:
        """Returns the fields of the first line; None for a bad one that is data."""
        bad: DeadLetter | BadRecord
        if isinstance(first, Line):
            try:
                return self.decode(first.raw).split("\t")
            except BadRecord as error:
                bad = error
        else:
            bad = first
        if self.source.columns is None:
            raise self.bad_header(part, bad)
        return None

    def _check_separator(
        self, part: FileRange, columns: Columns, fields: list[str]
    ) -> None:
        """Refuses a header of one field that another delimiter would separate."""
        [text, *_] = self.source.text_columns
        for delimiter in DELIMITERS:
            if len(fields) == 1 and text in fields[0].split(delimiter)[:-1]:
                raise DataError(
                    f"{part.path}: expected tabs in the header, got "
                    f"{NAMES[delimiter]} between its columns; read it as source.csv"
                )


class CsvReader(TableReader):
    """Reads a row from every record; without ``columns`` the first one names them."""

    can_split = False

    def parse(self, lines: Iterator[Line | DeadLetter], part: FileRange) -> Records:
        """Yields the rows of a whole file.

        Raises:
            DataError: the header is bad, names a column twice, or has the text's
                column with another delimiter alone.
        """
        records, dialect, texts = self._records(lines)
        columns, header = self.named_columns(), None
        for first in records:
            if isinstance(first, DeadLetter):
                if columns is None:
                    raise self.bad_header(part, first)
            elif not first[2]:
                continue
            elif self.is_header(first[2]):
                columns = self.header_columns(part, first[2])
                self._check_delimiter(part, dialect, columns, texts)
                header = first[1] if len(first[2]) > 1 else None
                break
            records = chain([first], records)
            break
        if columns is not None:
            yield from _rows(records, columns, header)

    def delimiter(self, part: FileRange) -> str:
        """Returns the delimiter that the config names, or that fits a file."""
        with self.open(part) as stream:
            lines = read_lines(
                stream,
                begin=0,
                end=None,
                max_line_bytes=self.limits.max_line_bytes,
                block_bytes=_HEAD_BYTES,
            )
            return self._find_dialect(self._texts(self._take_head(lines))).delimiter

    def places(self, part: FileRange, offsets: list[int]) -> dict[int, dict[str, int]]:
        """Returns the rows and lines of records by their offsets; a header is row 1."""
        places = super().places(part, offsets)
        wanted, row = set(offsets), 1
        with self.open(part) as stream:
            lines = read_lines(
                stream, begin=0, end=None, max_line_bytes=self.limits.max_line_bytes
            )
            for record in self._records(lines)[0]:
                is_bad = isinstance(record, DeadLetter)
                offset, raw, fields = (record.offset, b"", []) if is_bad else record
                if offset in wanted:
                    places[offset] = {"row": row} | places[offset]
                    wanted.remove(offset)
                if not wanted or offset > offsets[-1]:
                    break
                row += 1 if fields else 1 + raw.count(b"\n")
        return places

    def _records(
        self, lines: Iterator[Line | DeadLetter]
    ) -> tuple[Iterator[CsvRecord | DeadLetter], Dialect, list[str]]:
        """Returns the records of a file, their dialect and the first lines."""
        head = self._take_head(lines)
        texts = self._texts(head)
        dialect = self._find_dialect(texts)
        records = CsvRecords(
            chain(head, lines),
            dialect,
            decode=self.decode,
            max_bytes=self.limits.max_line_bytes,
        )
        return iter(records), dialect, texts

    @staticmethod
    def _take_head(lines: Iterator[Line | DeadLetter]) -> list[Line | DeadLetter]:
        """Takes the first lines, by which the dialect is detected."""
        head: list[Line | DeadLetter] = []
        num_bytes = num_lines = 0
        for line in lines:
            head.append(line)
            if isinstance(line, DeadLetter) or not line.is_blank:
                num_bytes += (
                    line.length if isinstance(line, DeadLetter) else len(line.raw)
                )
                num_lines += 1
            if num_bytes > _HEAD_BYTES or num_lines == _HEAD_LINES:
                break
        return head

    def _texts(self, head: list[Line | DeadLetter]) -> list[str]:
        texts = []
        for line in head:
            if isinstance(line, Line):
                with suppress(BadRecord):
                    texts.append(self.decode(line.raw) + "\n")
        return texts

    def _find_dialect(self, texts: list[str]) -> Dialect:
        """Returns the dialect that the config names, or that fits the first lines."""
        source = self.source
        base = Dialect(escape=source.escape, has_quotes=source.quoting is not False)
        delimiter = source.delimiter or detect_delimiter(
            {delimiter: replace(base, delimiter=delimiter) for delimiter in DELIMITERS},
            texts,
            columns=source.columns,
            needed=self.needed_columns,
        )
        dialect = replace(base, delimiter=delimiter)
        is_padded = dialect.has_quotes and pads_quotes(dialect, texts)
        return replace(dialect, skips_spaces=True) if is_padded else dialect

    def _check_delimiter(
        self, part: FileRange, dialect: Dialect, columns: Columns, texts: list[str]
    ) -> None:
        """Refuses a delimiter that hides the text's column."""
        [text, *_] = self.source.text_columns
        if text in columns.names:
            return
        for delimiter in DELIMITERS:
            records = replace(dialect, delimiter=delimiter).records(texts)
            if text in records[0]:
                raise DataError(
                    f"{part.path}: expected column {text!r} in the header, "
                    f"got {', '.join(map(repr, columns.names))} with source.delimiter "
                    f"{dialect.delimiter!r}; {delimiter!r} would fit"
                )


def _without_header(
    lines: Iterator[Line | DeadLetter], header: Line | DeadLetter, *, is_joined: bool
) -> Iterator[Line | DeadLetter]:
    for line in lines:
        is_repeated = is_joined and line.raw == header.raw
        if line.offset != header.offset and not is_repeated:
            yield line


def _rows(
    records: Iterator[CsvRecord | DeadLetter], columns: Columns, header: bytes | None
) -> Iterator[Record | DeadLetter]:
    for record in records:
        if isinstance(record, DeadLetter):
            yield record
            continue
        offset, raw, fields = record
        if not fields or raw == header:
            continue
        try:
            yield Record(offset, raw, columns.row(fields))
        except BadRecord as error:
            yield DeadLetter.of(offset, raw, error)


def parse_tsv(
    raw: bytes, *, columns: Columns, decode: Callable[[bytes], str]
) -> dict[str, Any]:
    """Returns the fields of one line by column.

    Raises:
        BadRecord: as ``decode``, and ragged.
    """
    return columns.row(decode(raw).split("\t"))


def _ragged(expected: int, fields: list[str]) -> str:
    hint = ""
    if len(fields) == expected + 1 and not fields[-1]:
        hint = (
            "; it ends with a delimiter: give source.columns one name more, with "
            "header: true if the file has a header"
        )
    for delimiter in DELIMITERS:
        if len(fields) == 1 and fields[0].count(delimiter) + 1 == expected > 1:
            hint = f"; {delimiter!r} as delimiter would give {expected}"
    return f"expected {expected} fields, got {len(fields)}{hint}"
