"""Streams of bytes of plain and compressed files, and their lines.

Only ``\\n`` and ``\\r\\n`` end a line. A byte order mark at the start of any line is
skipped: files with marks may have been joined. Memory is bounded by a block and the
longest legal line, whatever the file holds.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from textmill.components import filesystem as remote
from textmill.components.filesystem import is_remote
from textmill.components.ingester.readers.compression import ExpandedStream, compression
from textmill.components.ingester.readers.encodings import Utf8Stream
from textmill.components.ingester.readers.records import (
    BYTE_ORDER_MARK,
    BadRecord,
    DeadLetter,
    Line,
    LongRecord,
)

BLOCK_BYTES = 2 << 20
_SHORT_LINE_BYTES = 16
"""Blocks whose lines are longer on average hold no runs that matter."""
_EMPTY_LINES = re.compile(rb"(?:\A|(?<=\n))(?:\n{64,4096}|(?:\r\n){64,4096})")
"""A bounded run of lines without content, from a line's begin to another's."""

Stream = BinaryIO | ExpandedStream | Utf8Stream


def open_stream(path: str, *, max_expanded_bytes: int) -> BinaryIO | ExpandedStream:
    """Opens a local or remote file for reading forward.

    Raises:
        RemoteError: the file system does not answer.
    """
    if is_remote(path):
        file, size = remote.open_file(path)
    else:
        file = open(path, "rb")  # noqa: SIM115 - the caller closes the stream
        size = os.fstat(file.fileno()).st_size
    if compression(path) is None:
        return file
    return ExpandedStream(file, path, size=size, max_expanded_bytes=max_expanded_bytes)


def read_lines(
    stream: Stream,
    *,
    begin: int,
    end: int | None,
    max_line_bytes: int,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[Line | DeadLetter]:
    """Yields the lines that begin in ``[begin, end)``.

    A longer line than ``max_line_bytes`` is skipped, and yields a dead letter.
    """
    for block in _line_blocks(stream, begin, end, max_line_bytes, block_bytes):
        if isinstance(block, DeadLetter):
            yield block
            continue
        offset = block.offset
        has_mark = BYTE_ORDER_MARK[:1] in block.raw and BYTE_ORDER_MARK in block.raw
        for raw in _split(block.raw.removesuffix(b"\n"), max_line_bytes):
            if len(raw) > max_line_bytes:
                letter = DeadLetter.of(offset, raw, _too_long(max_line_bytes))
                yield replace(letter, num_quotes=raw.count(b'"'))
            else:
                line = raw.removeprefix(BYTE_ORDER_MARK) if has_mark else raw
                yield Line(offset, line)
            offset += len(raw) + 1


def _split(data: bytes, max_line_bytes: int) -> list[bytes]:
    """Returns the lines of a block; many empty ones in a row are one blank line."""
    lines = data.split(b"\n")
    if len(lines) * _SHORT_LINE_BYTES < len(data):
        return lines
    lines, begin = [], 0
    for run in _EMPTY_LINES.finditer(data):
        if run.start() > begin:
            lines += data[begin : run.start() - 1].split(b"\n")
        size = 2 if run[0].startswith(b"\r") else 1
        step = max(max_line_bytes // size, 1) * size
        lines += [run[0][i : i + step][:-1] for i in range(0, len(run[0]), step)]
        begin = run.end()
    return [*lines, *data[begin:].split(b"\n")]


def line_numbers(stream: Stream, offsets: list[int]) -> dict[int, int]:
    """Returns the number of the line, from 1, that each offset lies in."""
    numbers: dict[int, int] = {}
    number, begin, chunk = 1, 0, b""
    for offset in sorted(offsets):
        while offset > begin + len(chunk):
            number += chunk.count(b"\n")
            begin += len(chunk)
            if not (chunk := stream.read(BLOCK_BYTES)):
                return numbers
        numbers[offset] = number + chunk.count(b"\n", 0, offset - begin)
    return numbers


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
        size = _complete_bytes(data, end - offset, at_end=not chunk)
        if size:
            yield Line(offset, data[:size])
        offset, rest = offset + size, data[size:]
        if not chunk:
            return
        if len(rest) > max_line_bytes and offset < end:
            letter, rest = _skip_line(stream, Line(offset, rest), max_line_bytes)
            offset += letter.length + 1
            yield letter


def _first_line(stream: Stream, begin: int, end: int, block_bytes: int) -> int:
    """Seeks the first line that begins at or after ``begin``; returns its offset."""
    if begin == 0:
        return 0
    assert not isinstance(stream, ExpandedStream | Utf8Stream), "cannot seek"
    position = stream.seek(begin - 1)
    while position < end and (chunk := stream.read(block_bytes)):
        if (newline := chunk.find(b"\n")) >= 0:
            return stream.seek(position + newline + 1)
        position += len(chunk)
    return end


def _complete_bytes(data: bytes, remaining: int, *, at_end: bool) -> int:
    """Returns the end of the last complete line that begins in ``remaining`` bytes."""
    if len(data) >= remaining:
        newline = data.find(b"\n", remaining - 1)
        if newline >= 0:
            return newline + 1
    return len(data) if at_end else data.rfind(b"\n") + 1


def _skip_line(
    stream: Stream, start: Line, max_line_bytes: int
) -> tuple[DeadLetter, bytes]:
    record, chunk = LongRecord(start.offset, max_line_bytes), start.raw
    while chunk and (newline := chunk.find(b"\n")) < 0:
        record.add(chunk)
        chunk = stream.read(BLOCK_BYTES)
    tail = chunk[:newline] if chunk else b""
    record.add(tail)
    return record.letter("line_too_long"), chunk[len(tail) + 1 :]


def _too_long(max_line_bytes: int) -> BadRecord:
    return BadRecord("line_too_long", f"longer than {max_line_bytes} bytes")
