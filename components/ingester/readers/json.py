"""JSON files: the objects of an array, or objects in a row, on any number of lines.

A file is read as a stream: no more than a block and the longest legal object are held.
A line break inside a text is not JSON, so reading goes on at the next line that begins
with a bracket.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from textmill.components.ingester.readers.jsonl import parse_json
from textmill.components.ingester.readers.reader import FileRange, Records, TextReader
from textmill.components.ingester.readers.records import (
    BYTE_ORDER_MARK,
    DeadLetter,
    Line,
    LongRecord,
    parse_lines,
)
from textmill.components.ingester.readers.streams import BLOCK_BYTES, Stream
from textmill.models.errors import IntegrityError

_SEPARATORS = re.compile(rb"(?:[\s,]|\xef\xbb\xbf)*+")
_SCALAR = re.compile(rb'[^\s,\[\]{}"]*+')
_TEXT = rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"'
_BETWEEN_BRACKETS = re.compile(rb'[^"\[\]{}]*+(?:%b[^"\[\]{}]*+)*+' % _TEXT, re.DOTALL)
_REST_OF_TEXT = re.compile(rb'[^"\\\n]*+(?:\\.[^"\\\n]*+)*+(["\n]?)', re.DOTALL)
_NEXT_LINE = re.compile(rb"\n[ \t\r]*+(?=[\[\]{])")


class JsonReader(TextReader):
    """Reads a row from every object; arrays at the top are taken apart."""

    @property
    def is_transcoded(self) -> bool:
        """Returns whether the files are not UTF-8."""
        return self.encoding != "utf-8"

    def read(self, part: FileRange) -> Records:
        """Yields the objects of a file.

        Raises:
            IntegrityError: it ends inside an array or a value.
        """
        with self.open(part) as stream:
            values = JsonValues(
                stream,
                part.path,
                max_bytes=self.limits.max_line_bytes,
                block_bytes=self.block_bytes,
            )
            yield from parse_lines(values, parse_json)


class JsonValues:
    """Splits a stream of JSON into its values, and those of arrays at the top."""

    def __init__(
        self,
        stream: Stream,
        path: str,
        *,
        max_bytes: int,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self._stream, self._path = stream, path
        self._max_bytes, self._block_bytes = max_bytes, block_bytes
        self._data, self._position, self._offset = b"", 0, 0

    def __iter__(self) -> Iterator[Line | DeadLetter]:
        """Yields the bytes of values in order.

        Raises:
            IntegrityError: the stream ends inside an array or a value.
        """
        array_offset = None
        while self._skip_separators():
            offset = self._offset + self._position
            first = self._data[self._position : self._position + 1]
            if first == b"[" and array_offset is None:
                array_offset = offset
                self._position += 1
            elif first == b"]":
                array_offset = None
                self._position += 1
            else:
                yield self._read_value(first)
        if array_offset is not None:
            raise self._ends_inside("an array", array_offset)

    def _read(self) -> bytes:
        return self._stream.read(self._block_bytes)

    def _skip_separators(self) -> bool:
        """Moves to the next value or bracket; returns False at the end."""
        at_end = False
        while True:
            match = _SEPARATORS.match(self._data, self._position)
            assert match is not None
            self._position = match.end()
            rest = self._data[self._position : self._position + len(BYTE_ORDER_MARK)]
            if rest and (at_end or not BYTE_ORDER_MARK.startswith(rest)):
                return True
            self._offset += self._position
            chunk = self._read()
            self._data, self._position, at_end = rest + chunk, 0, not chunk
            if not self._data:
                return False

    def _read_value(self, first: bytes) -> Line | DeadLetter:
        value = _Value(self._offset + self._position, self._max_bytes)
        scan = _Scan()
        end_of = scan.end_of_value if first in b'{["' else scan.end_of_scalar
        while (end := end_of(self._data, self._position)) is None:
            value.add(self._data[self._position : scan.position])
            rest = self._data[scan.position :]
            self._offset += scan.position
            chunk = self._read()
            self._data, self._position = rest + chunk, 0
            if not chunk:
                if end_of == scan.end_of_scalar or scan.is_broken:
                    break
                raise self._ends_inside("a value", value.offset)
        end = len(self._data) if end is None else end
        value.add(self._data[self._position : end])
        self._position = end
        return value.line()

    def _ends_inside(self, part: str, offset: int) -> IntegrityError:
        return IntegrityError(
            f"{self._path}: ends inside {part} that begins at byte {offset}; the "
            "file is truncated, or not JSON: fetch it again"
        )


class _Scan:
    """Finds the end of a value in pieces of data."""

    def __init__(self) -> None:
        self._depth, self._in_text, self._has_begun = 0, False, False
        self.is_broken = False
        """Whether a text has a line break in it."""
        self.position = 0
        """The end of the data that need not be looked at again."""

    def end_of_scalar(self, data: bytes, position: int) -> int | None:
        """Returns the end of a number or a word; None if it may go on."""
        match = _SCALAR.match(data, position)
        assert match is not None
        end = self.position = match.end()
        if end == position and not self._has_begun:
            return end + 1  # a bracket that closes nothing
        self._has_begun = True
        return end if end < len(data) else None

    def end_of_value(self, data: bytes, position: int) -> int | None:
        """Returns the end of an object, array or text; None if it goes on."""
        if not self._has_begun and data[position : position + 1] == b'"':
            self._in_text = True
            position += 1
        self._has_begun = True
        while not self.is_broken:
            if self._in_text:
                match = _REST_OF_TEXT.match(data, position)
                assert match is not None
                position = match.end()
                if not match[1]:
                    self.position = position
                    return None
                self.is_broken = match[1] == b"\n"
                self._in_text = False
                if not self._depth:
                    return position
                continue
            match = _BETWEEN_BRACKETS.match(data, position)
            assert match is not None
            position = match.end()
            if position == len(data):
                self.position = position
                return None
            bracket = data[position : position + 1]
            position += 1
            if bracket == b'"':
                self._in_text = True
            else:
                self._depth += 1 if bracket in b"[{" else -1
                if not self._depth:
                    return position
        return self._end_of_broken(data, position - 1)

    def _end_of_broken(self, data: bytes, position: int) -> int | None:
        match = _NEXT_LINE.search(data, max(position, 0))
        if match is not None:
            return match.end()
        newline = data.rfind(b"\n")
        may_match = newline >= 0 and not data[newline:].strip()
        self.position = newline if may_match else len(data)
        return None


class _Value:
    """The bytes of a value, held as long as they are few enough."""

    def __init__(self, offset: int, max_bytes: int) -> None:
        self.offset, self._max_bytes = offset, max_bytes
        self._raw = b""
        self._long: LongRecord | None = None

    def add(self, raw: bytes) -> None:
        """Takes the next bytes."""
        if self._long is None and len(self._raw) + len(raw) > self._max_bytes:
            self._long = LongRecord(self.offset, self._max_bytes)
            self._long.add(self._raw)
        if self._long is not None:
            self._long.add(raw)
        else:
            self._raw += raw

    def line(self) -> Line | DeadLetter:
        """Returns the bytes, or the dead letter of too many."""
        return self._long.letter() if self._long else Line(self.offset, self._raw)
