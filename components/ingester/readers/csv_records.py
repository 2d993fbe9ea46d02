"""Records of csv: lines that quotes join, and the way back after a bad one.

A bad record is skipped to its end: reading never starts again inside a quoted field,
whose lines could pass for records. A quote that opens a field (it follows the line's
begin or a delimiter) cannot close one, so it ends a field that was never closed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from textmill.components.ingester.readers.dialects import QUOTE, Dialect, is_padded
from textmill.components.ingester.readers.records import (
    BadRecord,
    DeadLetter,
    Line,
    LongRecord,
)

csv.field_size_limit(2**31 - 1)  # the bound on a whole record comes first

_QUOTE = QUOTE.encode()


CsvRecord = tuple[int, bytes, list[str]]
"""The offset of a record, its bytes and its fields; a blank line has none."""


class CsvRecords:
    """Reads records from lines."""

    def __init__(
        self,
        lines: Iterator[Line | DeadLetter],
        dialect: Dialect,
        *,
        decode: Callable[[bytes], str],
        max_bytes: int,
    ) -> None:
        self._dialect, self._max_bytes = dialect, max_bytes
        self._record = _RecordLines(lines, decode, max_bytes)
        delimiter, quote = re.escape(dialect.delimiter).encode(), _QUOTE
        self._opening = re.compile(
            rb"(?:^|%b *)%b(?!%b|%b|\r?$)" % (delimiter, quote, quote, delimiter)
        )
        escape = dialect.escape
        self._escaped = (
            re.compile(re.escape(escape.encode()) + b".") if escape else None
        )

    def __iter__(self) -> Iterator[CsvRecord | DeadLetter]:
        """Yields the records in order, and a dead letter for each bad one."""
        record = self._record
        reader = self._dialect.reader(record)
        may_be_padded = self._dialect.has_quotes and not self._dialect.skips_spaces
        while True:
            record.begin()
            try:
                fields = next(reader)
                raw = record.raw
                if may_be_padded:
                    for field in fields:
                        if field[:1] == " ":
                            self._check_padding(fields, raw)
                            break
                yield record.offset, raw, fields
            except StopIteration:
                return
            except BadRecord as error:
                yield from self._skip(record, error)
            except csv.Error as error:
                yield from self._skip(record, self._explain(error, record.raw))

    def _check_padding(self, fields: list[str], raw: bytes) -> None:
        for number, field in enumerate(fields, start=1):
            spaces = field[: len(field) - len(field.lstrip(" "))]
            opening = f"{self._dialect.delimiter}{spaces}{QUOTE}".encode()
            if is_padded(field) and opening in raw:
                raise BadRecord(
                    "bad_csv",
                    f"field {number} has a space before its quote; remove the space",
                )

    def _explain(self, error: csv.Error, raw: bytes) -> BadRecord:
        hint = ""
        if rb"\"" in raw and self._escaped is None:
            hint = '; if a backslash escapes quotes, set source.escape: "\\\\"'
        return BadRecord("bad_csv", f"{error}{hint}")

    def _skip(self, record: _RecordLines, error: BadRecord) -> Iterator[DeadLetter]:
        """Skips to the end of a bad record; yields its dead letters."""
        is_open = self._return_opening_line(record)
        if not is_open:
            is_open = self._is_open(record.raw, opened=False)
        long_lines = [record.skipped] if record.skipped else []
        is_open ^= sum(line.num_quotes for line in long_lines) % 2 == 1
        passed = LongRecord(record.offset, self._max_bytes)
        for part in record.parts:
            passed.add_line(part)
        while is_open and (line := self._line_inside()) is not None:
            if isinstance(line, DeadLetter):
                long_lines.append(line)
                is_open ^= line.num_quotes % 2 == 1
                continue
            passed.add_line(line.raw)
            if _QUOTE in line.raw:
                is_open = self._is_open(line.raw, opened=True)
        if num_lines := passed.num_lines:
            if is_open:
                error = BadRecord("unclosed_quote", _unclosed(num_lines))
            letter = passed.letter(error.reason, error.detail)
            raw = record.raw if letter.length == len(record.raw) else None
            num_records = num_lines if is_open else 1
            yield replace(letter, raw=raw, num_records=num_records)
        yield from long_lines

    def _return_opening_line(self, record: _RecordLines) -> bool:
        """Ends a record before a later line whose quote opens a field.

        Returns whether there is such a line.
        """
        parts = record.parts
        if len(parts) < 2 or not self._opens_field(parts[-1]):
            return False
        last = parts.pop()
        record.give_back(Line(record.offset + len(record.raw) + 1, last))
        return True

    def _line_inside(self) -> Line | DeadLetter | None:
        """Returns the next line inside a quoted field; None where the field ends."""
        try:
            line = self._record.next_line()
        except StopIteration:
            return None
        if isinstance(line, Line) and self._opens_field(line.raw):
            self._record.give_back(line)
            return None
        return line

    def _opens_field(self, raw: bytes) -> bool:
        """Returns whether the first quote of a line opens a field."""
        if _QUOTE not in raw:
            return False
        raw = self._unescaped(raw)
        match = self._opening.search(raw)
        return match is not None and raw.find(_QUOTE) == match.end() - 1

    def _is_open(self, raw: bytes, *, opened: bool) -> bool:
        """Returns whether a quoted field goes on after the end of some lines."""
        raw = self._unescaped(raw)
        if not self._dialect.has_quotes or _QUOTE not in raw:
            return opened
        text = (QUOTE if opened else "") + raw.decode("latin-1").replace("\r", " ")
        try:
            for _ in self._dialect.reader(f"{line}\n" for line in text.split("\n")):
                pass
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                return True
            return (raw.count(_QUOTE) + opened) % 2 == 1
        return False

    def _unescaped(self, raw: bytes) -> bytes:
        return self._escaped.sub(b"", raw) if self._escaped else raw


class _RecordLines:
    """The lines of a csv reader, with the bytes of the record that it reads."""

    def __init__(
        self,
        lines: Iterator[Line | DeadLetter],
        decode: Callable[[bytes], str],
        max_bytes: int,
    ) -> None:
        self._lines, self._decode, self._max_bytes = lines, decode, max_bytes
        self._returned: Line | None = None
        self.begin()

    def begin(self) -> None:
        """Starts a record."""
        self.parts: list[bytes] = []
        self.offset = self._size = 0
        self.skipped: DeadLetter | None = None

    def __iter__(self) -> _RecordLines:
        return self

    def __next__(self) -> str:
        line = next(self._lines) if self._returned is None else self.next_line()
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
        return self._decode(line.raw) + "\n"

    def give_back(self, line: Line) -> None:
        """Makes a line the next one."""
        self._returned = line

    def next_line(self) -> Line | DeadLetter:
        """Returns the next line.

        Raises:
            StopIteration: there is none.
        """
        line, self._returned = self._returned, None
        return next(self._lines) if line is None else line

    @property
    def raw(self) -> bytes:
        """The bytes of the record so far."""
        return b"\n".join(self.parts)


def _unclosed(num_lines: int) -> str:
    return (
        f"a quoted field begins here that nothing closes, {num_lines} lines are lost; "
        "close the quote, or set source.quoting: false if quotes are characters"
    )
