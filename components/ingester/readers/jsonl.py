"""JSON lines: one object per line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from textmill.components.ingester.readers.reader import FileRange, LineReader, Records
from textmill.components.ingester.readers.records import (
    BadRecord,
    DeadLetter,
    Line,
    decode,
    parse_lines,
)

_HEAD_BYTES = 1 << 10


class JsonlReader(LineReader):
    """Reads a row from every line that is not blank."""

    def parse(self, lines: Iterator[Line | DeadLetter], part: FileRange) -> Records:
        """Yields the objects of lines."""
        encoding = self.line_encoding
        if encoding == "utf-8":
            return parse_lines(lines, parse_json)
        return parse_lines(
            lines, lambda raw: parse_json(decode(raw, encoding).encode())
        )

    def hint(self, part: FileRange, offset: int, reason: str) -> str:
        """Returns the format that fits a file of arrays, or of objects over lines."""
        if reason not in ("bad_json", "not_an_object"):
            return super().hint(part, offset, reason)
        with self.open(part) as stream:
            first, _, rest = stream.read(_HEAD_BYTES).lstrip().partition(b"\n")
        is_array = first.startswith(b"[")
        if is_array or (first.strip() == b"{" and rest):
            return "; the file is JSON, not an object per line: read it as source.json"
        return ""


def parse_json(raw: bytes) -> dict[str, Any]:
    """Returns the object of one line of JSON.

    Raises:
        BadRecord: as ``decode``, bad_json or not_an_object.
    """
    try:
        row = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        decode(raw)
        raise BadRecord("bad_json", str(error)) from None
    if type(row) is not dict:
        raise BadRecord(
            "not_an_object", f"expected an object, got {type(row).__name__}"
        )
    return row
