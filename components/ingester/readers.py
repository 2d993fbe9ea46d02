"""Readers: the lines of a file become rows, or dead letters with a reason.

A row is what the source says of one document, by column.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

import orjson

from components.ingester import docstrings
from components.ingester.config import LimitsConfig, SourceConfig
from components.ingester.records import (
    BYTE_ORDER_MARK,
    DeadLetter,
    Line,
    Lines,
    Record,
    Rejected,
    decode,
    parse_lines,
    plain_text,
)
from components.ingester.sources import Span
from components.ingester.streams import Stream, open_stream, read_lines
from components.ingester.tables import read_csv, read_tsv
from models.faults import DataError


def read_spans(
    spans: Iterable[Span],
    *,
    source: SourceConfig,
    limits: LimitsConfig,
    block_bytes: int,
) -> Iterator[tuple[Span, Record | DeadLetter]]:
    """Yields the records of every span, in order.

    Raises:
        IntegrityError: a compressed file is damaged.
        DataError: a header names a column twice, or a file expands beyond its bounds.
    """
    if source.format == "docstrings":
        yield from _read_docstrings(list(spans))
        return
    for span in spans:
        expanded = limits.max_expanded_bytes
        with closing(open_stream(span.path, max_expanded_bytes=expanded)) as stream:
            lines = read_lines(
                stream,
                begin=span.begin,
                end=span.end,
                max_line_bytes=limits.max_line_bytes,
                block_bytes=block_bytes,
            )
            for record in _records(span, stream, lines, source, limits):
                yield span, record


def _records(
    span: Span,
    stream: Stream,
    lines: Lines,
    source: SourceConfig,
    limits: LimitsConfig,
) -> Iterator[Record | DeadLetter]:
    if source.format == "jsonl":
        return parse_lines(lines, parse_json)
    if source.format == "csv":
        return read_csv(span, lines, source.columns, limits.max_line_bytes)
    if source.format == "tsv":
        return read_tsv(span, lines, source.columns, limits)
    if source.document == "line":
        return parse_lines(lines, parse_text)
    if source.document == "file":
        return parse_lines(_whole(span, stream, limits), parse_text)
    return parse_lines(_paragraphs(lines, limits.max_line_bytes), parse_text)


def parse_json(raw: bytes) -> dict[str, Any]:
    """Returns the object of one line of JSON.

    Raises:
        Rejected: invalid_utf8, nul, bad_json or not_an_object.
    """
    try:
        row = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        decode(raw)
        raise Rejected("bad_json", str(error)) from None
    if type(row) is not dict:
        raise Rejected("not_an_object", f"expected an object, got {type(row).__name__}")
    return row


def parse_text(raw: bytes) -> dict[str, Any]:
    """Returns plain text as a row; its lines end with ``\\n``.

    Raises:
        Rejected: invalid_utf8, nul or lone_carriage_return.
    """
    return {"text": plain_text(raw)}


def _whole(span: Span, stream: Stream, limits: LimitsConfig) -> Lines:
    if os.path.getsize(span.path) > limits.max_expanded_bytes:
        raise DataError(
            f"{span.path}: larger than limits.max_expanded_bytes "
            f"({limits.max_expanded_bytes}); read it by line or paragraph"
        )
    raw = b"".join(iter(lambda: stream.read(1 << 20), b""))
    return [Line(0, raw.removeprefix(BYTE_ORDER_MARK))] if raw else []


def _paragraphs(lines: Lines, max_bytes: int) -> Lines:
    """Joins the lines between blank lines."""
    held: list[Line] = []
    for line in lines:
        is_text = isinstance(line, Line) and not line.is_blank
        if held and not is_text:
            yield _paragraph(held, max_bytes)
            held = []
        if isinstance(line, DeadLetter):
            yield line
        elif is_text:
            held.append(line)
    if held:
        yield _paragraph(held, max_bytes)


def _paragraph(held: list[Line], max_bytes: int) -> Line | DeadLetter:
    raw = b"\n".join(line.raw for line in held)
    if len(raw) > max_bytes:
        why = Rejected("record_too_long", f"longer than {max_bytes} bytes")
        return DeadLetter.of(held[0].offset, raw, why)
    return Line(held[0].offset, raw)


def _read_docstrings(
    spans: list[Span],
) -> Iterator[tuple[Span, Record | DeadLetter]]:
    """Reads source in a process of its own.

    ``ast`` holds the interpreter lock, and hostile source can end its process.
    """
    files = [[span.path, span.name] for span in spans]
    reader = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", docstrings.__file__],
        input=json.dumps(files).encode(),
        capture_output=True,
    )
    if reader.returncode:
        reason = reader.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise DataError(
            f"{spans[0].path} and {len(spans) - 1} more: reading the docstrings ended "
            f"with exit code {reader.returncode} {' '.join(reason)}"
        )
    for span, line in zip(spans, reader.stdout.splitlines(), strict=True):
        found = orjson.loads(line)
        if isinstance(found, str):
            with open(span.path, "rb") as file:
                yield span, DeadLetter.of(0, file.read(), Rejected("bad_python", found))
        else:
            for number, row in enumerate(found):
                yield span, Record(number, b"", row)
