"""Records: what passes between the readers, and why some of it goes no further."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class BadRecord(Exception):
    """A record is bad, for a reason of the ledger and in words."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class DeadLetter:
    """A record that could not be read: where it is, and why."""

    offset: int
    length: int
    sha256: str
    reason: str
    detail: str
    raw: bytes | None = None

    @classmethod
    def of(cls, offset: int, raw: bytes, why: BadRecord) -> Self:
        """Returns the dead letter of a record that was held in memory."""
        digest = hashlib.sha256(raw).hexdigest()
        return cls(offset, len(raw), digest, why.reason, why.detail, raw)


class LongRecord:
    """A record too long to hold: its bytes are counted and hashed as they pass by."""

    def __init__(self, offset: int, max_bytes: int) -> None:
        self._offset, self._max_bytes = offset, max_bytes
        self._digest, self._length = hashlib.sha256(), 0

    def add(self, raw: bytes) -> None:
        """Takes the next bytes."""
        self._digest.update(raw)
        self._length += len(raw)

    def letter(self, reason: str = "record_too_long") -> DeadLetter:
        """Returns what is left of it."""
        detail = f"longer than {self._max_bytes} bytes"
        digest = self._digest.hexdigest()
        return DeadLetter(self._offset, self._length, digest, reason, detail)


class Line(NamedTuple):
    """The bytes of a line before its ``\\n``, and where they begin."""

    offset: int
    raw: bytes

    @property
    def is_blank(self) -> bool:
        """Whether it holds nothing but white space."""
        return not self.raw or self.raw.isspace()


class Record(NamedTuple):
    """A row, and the bytes it was read from."""

    offset: int
    raw: bytes
    row: dict[str, Any]


Lines = Iterable[Line | DeadLetter]


def parse_lines(
    lines: Lines, parse: Callable[[bytes], dict[str, Any]]
) -> Iterator[Record | DeadLetter]:
    """Yields a record or a dead letter for every line that is not blank."""
    for line in lines:
        if isinstance(line, DeadLetter):
            yield line
            continue
        offset, raw = line
        if not raw or raw.isspace():
            continue
        try:
            yield Record(offset, raw, parse(raw))
        except BadRecord as why:
            yield DeadLetter.of(offset, raw, why)


def name_classes(
    row: dict[str, Any], names: dict[str, tuple[str, ...]]
) -> dict[str, Any]:
    """Puts the names of classes in place of their numbers.

    Raises:
        BadRecord: bad_label, for a number that has no name.
    """
    for column, classes in names.items():
        value = row.get(column)
        if type(value) is int:
            if not 0 <= value < len(classes):
                raise BadRecord(
                    "bad_label",
                    f"column {column!r}: expected 0 to {len(classes) - 1}, got {value}",
                )
            row[column] = classes[value]
    return row


def plain_text(raw: bytes) -> str:
    """Returns text whose lines end with ``\\n``.

    Raises:
        BadRecord: invalid_utf8, nul or lone_carriage_return.
    """
    text = decode(raw)
    if "\r" in text:
        text = text.removesuffix("\r").replace("\r\n", "\n")
        if "\r" in text:
            raise BadRecord(
                "lone_carriage_return", "only \\n and \\r\\n end a line, found \\r"
            )
    return text


def decode(raw: bytes) -> str:
    """Returns the text of UTF-8 bytes.

    Raises:
        BadRecord: utf16, invalid_utf8 or nul.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        if _is_utf16(raw):
            raise _utf16() from None
        raise BadRecord("invalid_utf8", f"byte {error.start}: {error.reason}") from None
    if "\0" in text:
        raise _utf16() if _is_utf16(raw) else BadRecord("nul", "holds a NUL character")
    return text


def _utf16() -> BadRecord:
    return BadRecord(
        "utf16", "expected UTF-8; convert the file: iconv -f utf-16 -t utf-8"
    )


def _is_utf16(raw: bytes) -> bool:
    """Whether a line that is not good UTF-8 looks like one of a UTF-16 file."""
    if raw.startswith(_UTF16_MARKS) and len(raw) > 2:
        return True
    # Only the first line has a mark; in the others every other byte is zero.
    letters = raw[1 : 1 << 10]
    zeros = max(letters[::2].count(0), letters[1::2].count(0))
    return len(letters) > 2 and zeros * 4 > len(letters)
