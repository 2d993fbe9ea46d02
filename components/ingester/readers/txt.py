"""Plain text: a document is a line, a paragraph or a whole file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from textmill.components.ingester.readers.reader import FileRange, LineReader, Records
from textmill.components.ingester.readers.records import (
    BYTE_ORDER_MARK,
    DeadLetter,
    Line,
    LongRecord,
    parse_lines,
    plain_text,
)
from textmill.models.errors import DataError

_CHUNK_BYTES = 1 << 20


class TxtReader(LineReader):
    """Reads the lines, paragraphs or files of plain text."""

    has_header = True

    @property
    def can_split(self) -> bool:  # type: ignore[override]
        """Returns whether documents are lines."""
        return self.source.document == "line"

    def read(self, part: FileRange) -> Records:
        """Yields the documents of a range."""
        if self.source.document != "file":
            yield from super().read(part)
        elif content := self._content(part):
            yield from parse_lines([Line(0, content)], self._parse)

    def parse(self, lines: Iterator[Line | DeadLetter], part: FileRange) -> Records:
        """Yields the lines, or the paragraphs that they make."""
        if self.source.document != "line":
            lines = paragraphs(lines, self.limits.max_line_bytes)
        return parse_lines(lines, self._parse)

    @property
    def _parse(self) -> Callable[[bytes], dict[str, Any]]:
        encoding = self.line_encoding
        if encoding == "utf-8":
            return parse_text
        return partial(parse_text, encoding=encoding)

    def _content(self, part: FileRange) -> bytes:
        """Returns the bytes of a file, which has no bound but max_expanded_bytes."""
        chunks, size = [], 0
        with self.open(part) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                chunks.append(chunk)
                size += len(chunk)
                if size > self.limits.max_expanded_bytes:
                    raise DataError(
                        f"{part.path}: larger than limits.max_expanded_bytes "
                        f"({self.limits.max_expanded_bytes}); read it by line or "
                        "paragraph"
                    )
        return b"".join(chunks).removeprefix(BYTE_ORDER_MARK)


def parse_text(raw: bytes, encoding: str = "utf-8") -> dict[str, Any]:
    """Returns plain text as a row; its lines end with ``\\n``.

    Raises:
        BadRecord: as ``plain_text``.
    """
    return {"text": plain_text(raw, encoding)}


def paragraphs(
    lines: Iterable[Line | DeadLetter], max_bytes: int
) -> Iterator[Line | DeadLetter]:
    """Joins the lines between blank lines; a longer paragraph is hashed, not held."""
    pending: list[bytes] = []
    offset = size = 0
    too_long: LongRecord | None = None
    for line in lines:
        is_text = isinstance(line, Line) and not line.is_blank
        if pending and not is_text:
            yield Line(offset, b"\n".join(pending))
            pending, size = [], 0
        elif too_long and not is_text:
            yield too_long.letter()
            too_long = None
        if isinstance(line, DeadLetter):
            yield line
        elif too_long and is_text:
            too_long.add(b"\n" + line.raw)
        elif is_text:
            offset = offset if pending else line.offset
            pending.append(line.raw)
            size += len(line.raw) + 1
            if size - 1 > max_bytes:
                too_long = LongRecord(offset, max_bytes)
                too_long.add(b"\n".join(pending))
                pending, size = [], 0
    if pending:
        yield Line(offset, b"\n".join(pending))
    if too_long:
        yield too_long.letter()
