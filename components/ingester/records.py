"""Records: what passes between the readers, and why some of it goes no further."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Rejected(Exception):
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
    def of(cls, offset: int, raw: bytes, why: Rejected) -> Self:
        """Returns the dead letter of a record that was held in memory."""
        digest = hashlib.sha256(raw).hexdigest()
        return cls(offset, len(raw), digest, why.reason, why.detail, raw)


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
        if line.is_blank:
            continue
        try:
            yield Record(line.offset, line.raw, parse(line.raw))
        except Rejected as why:
            yield DeadLetter.of(line.offset, line.raw, why)


def plain_text(raw: bytes) -> str:
    """Returns text whose lines end with ``\\n``.

    Raises:
        Rejected: invalid_utf8, nul or lone_carriage_return.
    """
    text = decode(raw)
    if "\r" in text:
        text = text.removesuffix("\r").replace("\r\n", "\n")
        if "\r" in text:
            raise Rejected(
                "lone_carriage_return", "only \\n and \\r\\n end a line, found \\r"
            )
    return text


def decode(raw: bytes) -> str:
    """Returns the text of UTF-8 bytes.

    Raises:
        Rejected: invalid_utf8 or nul.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise Rejected("invalid_utf8", f"byte {error.start}: {error.reason}") from None
    if "\0" in text:
        raise Rejected("nul", "holds a NUL character")
    return text
