"""Records and dead letters: a source's rows, and rows that cannot be used."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Self

from textmill.components.ingester.readers.encodings import INVALID
from textmill.models.checks import COUNT, NOT_NEGATIVE, SHARE, check_bounds

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ONE_IN = 10
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UNLABELLED = -1
"""The class of unlabelled rows in data sets of Hugging Face and TensorFlow (GLUE)."""


@dataclass(frozen=True, kw_only=True)
class LimitsConfig:
    """Bounds that keep bad input from becoming bad data."""

    max_line_bytes: Annotated[int, COUNT] = 1 << 20
    """Longer lines become dead letters."""
    max_bad_fraction: Annotated[float, SHARE] = 0.001
    """The run fails when a larger share of the records is bad, and they are more than
    ``max_bad_records`` or more than a tenth of all; 0 allows none at all."""
    max_bad_records: Annotated[int, NOT_NEGATIVE] = 10
    """So many bad records are allowed in a small data set, up to a tenth of its
    records."""
    max_duplicate_ids: Annotated[float, SHARE] = 0.1
    """The run fails when a larger share of the documents, and more than
    ``max_bad_records``, have the id of an earlier one and another text. Fewer are
    dropped."""
    max_expanded_bytes: Annotated[int, COUNT] = 64 << 30
    """A compressed file may grow to this size, and to 200 times its own."""
    keep_raw: bool = False
    """Whether dead letters hold the offending text itself."""

    def __post_init__(self) -> None:
        check_bounds(self)

    def allow(self, num_bad: int, num_read: int) -> bool:
        """Returns whether so many of the records may be bad."""
        if not self.max_bad_fraction:
            return not num_bad
        few = min(self.max_bad_records, num_read / _ONE_IN)
        return num_bad <= max(self.max_bad_fraction * num_read, few)


class BadRecord(Exception):
    """A record that cannot be used: a reason for the ledger, and a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class DeadLetter:
    """A record that could not be used: its place, its digest and the reason."""

    offset: int
    length: int
    sha256: str
    reason: str
    detail: str
    raw: bytes | None = None
    num_quotes: int = 0
    """Double quotes in a line too long to hold, by which csv finds its next record."""
    num_records: int = 1
    """Lines that may have been records, after a quote that nothing closes."""

    @classmethod
    def of(cls, offset: int, raw: bytes, error: BadRecord) -> Self:
        """Returns the dead letter of a record whose bytes are in memory."""
        digest = hashlib.sha256(raw).hexdigest()
        return cls(offset, len(raw), digest, error.reason, error.detail, raw)


class LongRecord:
    """A record too long for memory: its bytes are counted and hashed as they pass."""

    def __init__(self, offset: int, max_bytes: int) -> None:
        self._offset, self._max_bytes = offset, max_bytes
        self._digest, self._length = hashlib.sha256(), 0
        self._num_quotes = self.num_lines = 0

    def add(self, raw: bytes) -> None:
        """Takes the next bytes."""
        self._digest.update(raw)
        self._length += len(raw)
        self._num_quotes += raw.count(b'"')

    def add_line(self, raw: bytes) -> None:
        """Takes a line, and counts it unless it is blank."""
        self.add(b"\n" + raw if self.num_lines else raw)
        self.num_lines += bool(raw.strip()) or not self.num_lines

    def letter(
        self, reason: str = "record_too_long", detail: str | None = None
    ) -> DeadLetter:
        """Returns its dead letter."""
        detail = detail or f"longer than {self._max_bytes} bytes"
        return DeadLetter(
            self._offset,
            self._length,
            self._digest.hexdigest(),
            reason,
            detail,
            num_quotes=self._num_quotes,
        )


class Line(NamedTuple):
    """The bytes of a line before its ``\\n``, and where they begin."""

    offset: int
    raw: bytes

    @property
    def is_blank(self) -> bool:
        """Returns whether it is empty or white space."""
        return not self.raw or self.raw.isspace()


class Record(NamedTuple):
    """A row, and the bytes it was read from."""

    offset: int
    raw: bytes
    row: dict[str, Any]


def parse_lines(
    lines: Iterable[Line | DeadLetter], parse: Callable[[bytes], dict[str, Any]]
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
        except BadRecord as error:
            yield DeadLetter.of(offset, raw, error)


def name_classes(
    row: dict[str, Any], names: dict[str, tuple[str, ...]]
) -> dict[str, Any]:
    """Replaces the numbers of classes by their names, and -1 (unlabelled) by None.

    Raises:
        BadRecord: bad_label, for a number that has no name.
    """
    for column, classes in names.items():
        if column not in row:
            continue
        value = row[column]
        if type(value) is list:
            row[column] = [_class_name(column, number, classes) for number in value]
        else:
            row[column] = _class_name(column, value, classes)
    return row


def _class_name(column: str, number: Any, classes: tuple[str, ...]) -> Any:
    if type(number) is not int:
        return number
    if number == _UNLABELLED:
        return None
    if not 0 <= number < len(classes):
        raise BadRecord(
            "bad_label",
            f"column {column!r}: expected 0 to {len(classes) - 1}, got {number}",
        )
    return classes[number]


def plain_text(raw: bytes, encoding: str = "utf-8") -> str:
    """Returns text whose lines end with ``\\n``.

    Raises:
        BadRecord: as ``decode``, and lone_carriage_return.
    """
    text = decode(raw, encoding)
    if "\r" in text:
        text = text.removesuffix("\r").replace("\r\n", "\n")
        if "\r" in text:
            raise BadRecord(
                "lone_carriage_return",
                "only \\n and \\r\\n end a line, found \\r; convert it to \\n",
            )
    return text


def decode(raw: bytes, encoding: str = "utf-8") -> str:
    """Returns the text of bytes.

    Raises:
        BadRecord: utf16, invalid_utf8 or nul; undecodable in another encoding.
    """
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        if INVALID in raw:
            detail = "holds bytes that are not valid in source.encoding"
            raise BadRecord("undecodable", detail) from None
        if encoding != "utf-8":
            detail = f"not {encoding}: byte {error.start}: {error.reason}"
            raise BadRecord("undecodable", detail) from None
        if _is_utf16(raw):
            raise _utf16() from None
        raise BadRecord("invalid_utf8", f"byte {error.start}: {error.reason}") from None
    if "\0" in text:
        raise _utf16() if _is_utf16(raw) else BadRecord("nul", "holds a NUL character")
    return text


def _utf16() -> BadRecord:
    return BadRecord("utf16", "expected UTF-8, got UTF-16; set source.encoding: utf-16")


def _is_utf16(raw: bytes) -> bool:
    """Returns whether a line of invalid UTF-8 looks like one of a UTF-16 file."""
    if raw.startswith(_UTF16_MARKS) and len(raw) > 2:
        return True
    # Only the first line has a mark; in the others every other byte is zero.
    letters = raw[1 : 1 << 10]
    zeros = max(letters[::2].count(0), letters[1::2].count(0))
    return len(letters) > 2 and zeros * 4 > len(letters)
