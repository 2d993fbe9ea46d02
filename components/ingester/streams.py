"""Byte streams: files, plain or gzip, as blocks of complete lines.

Only ``\\n`` and ``\\r\\n`` end a line. Memory is bounded by a block and the longest
legal line, whatever the file holds.
"""

from __future__ import annotations

import hashlib
import os
import sys
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from components.ingester.records import (
    BYTE_ORDER_MARK,
    DeadLetter,
    Line,
    Rejected,
)
from models.faults import DataError, IntegrityError

BLOCK_BYTES = 2 << 20
MAX_EXPANSION = 200
_EXPANSION_FLOOR = 1 << 20  # a small file of one repeated word is not an attack


class GzipStream:
    """A gzip file of one or more members, read forward, its end checked."""

    def __init__(self, path: str, *, max_expanded_bytes: int) -> None:
        self._path = path
        self._file = open(path, "rb")  # noqa: SIM115 - closed by close()
        size = os.path.getsize(path)
        ratio_bound = max(size * MAX_EXPANSION, _EXPANSION_FLOOR)
        self._bound = min(max_expanded_bytes, ratio_bound)
        self._expanded = self._members = 0
        self._decoder = zlib.decompressobj(wbits=31)
        self._pending = b""

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def read(self, size: int) -> bytes:
        """Returns up to ``size`` decompressed bytes, none at the end.

        Raises:
            IntegrityError: it was cut, damaged, or has junk behind its last member.
            DataError: it grows beyond its bounds.
        """
        while True:
            data = self._pending or self._file.read(1 << 16)
            if not data and self._decoder.eof:
                return b""
            if self._decoder.eof:
                self._decoder = zlib.decompressobj(wbits=31)
            try:
                block = self._decoder.decompress(data, size)
            except zlib.error as error:
                raise self._damaged(error) from None
            self._pending = self._decoder.unconsumed_tail
            if self._decoder.eof:
                self._pending = self._decoder.unused_data
                self._members += 1
            elif not data and not block:
                raise IntegrityError(
                    f"{self._path}: the gzip stream ends before its trailer; "
                    "the file was cut: fetch it again"
                )
            if block:
                self._count(len(block))
                return block

    def _damaged(self, error: zlib.error) -> IntegrityError:
        behind = " behind its last member" if self._members else ""
        return IntegrityError(
            f"{self._path}: not valid gzip{behind} ({error}); fetch the file again"
        )

    def _count(self, size: int) -> None:
        self._expanded += size
        if self._expanded > self._bound:
            raise DataError(
                f"{self._path}: expands to more than {self._bound} bytes "
                f"(limits.max_expanded_bytes, and {MAX_EXPANSION} times its own size); "
                "decompress it yourself if you trust it"
            )


Stream = BinaryIO | GzipStream


def is_compressed(path: str) -> bool:
    """Whether a file is read through gzip."""
    return path.endswith(".gz")


def open_stream(path: str, *, max_expanded_bytes: int) -> Stream:
    """Opens a file for reading forward."""
    if is_compressed(path):
        return GzipStream(path, max_expanded_bytes=max_expanded_bytes)
    return open(path, "rb")


def read_lines(
    stream: Stream,
    *,
    begin: int,
    end: int | None,
    max_line_bytes: int,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[Line | DeadLetter]:
    """Yields the lines that begin in ``[begin, end)``.

    A line too long to hold is skipped while streaming, and yields a dead letter.
    """
    for block in _line_blocks(stream, begin, end, max_line_bytes, block_bytes):
        if isinstance(block, DeadLetter):
            yield block
            continue
        offset = block.offset
        for raw in block.raw.removesuffix(b"\n").split(b"\n"):
            if len(raw) > max_line_bytes:
                yield DeadLetter.of(offset, raw, _too_long(max_line_bytes))
            else:
                line = raw.removeprefix(BYTE_ORDER_MARK) if offset == 0 else raw
                yield Line(offset, line)
            offset += len(raw) + 1


def _line_blocks(
    stream: Stream,
    begin: int,
    end: int | None,
    max_line_bytes: int,
    block_bytes: int,
) -> Iterator[Line | DeadLetter]:
    end = sys.maxsize if end is None else end
    offset, rest = _first_line(stream, begin, end, block_bytes), b""
    while offset < end:
        chunk = stream.read(block_bytes)
        data = rest + chunk
        cut = _cut(data, end - offset, at_end=not chunk)
        if cut:
            yield Line(offset, data[:cut])
        offset, rest = offset + cut, data[cut:]
        if not chunk:
            return
        if len(rest) > max_line_bytes and offset < end:
            letter, rest = _skip_line(stream, Line(offset, rest), max_line_bytes)
            offset += letter.length + 1
            yield letter


def _first_line(stream: Stream, begin: int, end: int, block_bytes: int) -> int:
    """Moves to the first line that begins at or after ``begin``, and says where."""
    if begin == 0:
        return 0
    assert not isinstance(stream, GzipStream), "a gzip stream has no middle"
    position = stream.seek(begin - 1)
    while position < end and (chunk := stream.read(block_bytes)):
        if (newline := chunk.find(b"\n")) >= 0:
            return stream.seek(position + newline + 1)
        position += len(chunk)
    return end


def _cut(data: bytes, remaining: int, *, at_end: bool) -> int:
    """Where the last complete line ends that begins within ``remaining`` bytes."""
    if len(data) >= remaining:
        newline = data.find(b"\n", remaining - 1)
        if newline >= 0:
            return newline + 1
    return len(data) if at_end else data.rfind(b"\n") + 1


def _skip_line(
    stream: Stream, start: Line, max_line_bytes: int
) -> tuple[DeadLetter, bytes]:
    digest, length, chunk = hashlib.sha256(), 0, start.raw
    while chunk and (newline := chunk.find(b"\n")) < 0:
        digest.update(chunk)
        length += len(chunk)
        chunk = stream.read(BLOCK_BYTES)
    tail = chunk[:newline] if chunk else b""
    digest.update(tail)
    why = _too_long(max_line_bytes)
    letter = DeadLetter(
        start.offset, length + len(tail), digest.hexdigest(), why.reason, why.detail
    )
    return letter, chunk[len(tail) + 1 :]


def _too_long(max_line_bytes: int) -> Rejected:
    return Rejected("line_too_long", f"longer than {max_line_bytes} bytes")
