"""Readers: the lines of a file become rows, or dead letters with a reason.

A row is what the source says of one document, by column.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

import orjson

from textmill.components.ingester.config import LimitsConfig
from textmill.components.ingester.readers import docstrings
from textmill.components.ingester.readers.csv import read_csv, read_tsv
from textmill.components.ingester.readers.records import (
    BYTE_ORDER_MARK,
    BadRecord,
    DeadLetter,
    Line,
    Lines,
    LongRecord,
    Record,
    decode,
    parse_lines,
    plain_text,
)
from textmill.components.ingester.readers.streams import (
    Stream,
    open_stream,
    read_lines,
)
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.sources.files import FileRange
from textmill.components.ingester.sources.tfds import as_prepared
from textmill.models.errors import DataError


def read_ranges(
    spans: Iterable[FileRange],
    *,
    source: SourceConfig,
    limits: LimitsConfig,
    block_bytes: int,
) -> Iterator[tuple[FileRange, Record | DeadLetter]]:
    """Yields the records of every span, in order.

    Raises:
        IntegrityError: a compressed file is damaged.
        DataError: a header names a column twice, or a file expands beyond its bounds.
    """
    if source.format == "docstrings":
        yield from _read_docstrings(list(spans))
        return
    for span in spans:
        kind = span.format or source.format
        if kind == "parquet":
            for record in _parquet(span, source, limits):
                yield span, record
            continue
        expanded = limits.max_expanded_bytes
        with closing(open_stream(span.path, max_expanded_bytes=expanded)) as stream:
            lines = read_lines(
                stream,
                begin=span.begin,
                end=span.end,
                max_line_bytes=limits.max_line_bytes,
                block_bytes=block_bytes,
            )
            if kind == "jsonl":
                records = parse_lines(lines, parse_json)
            else:
                records = _records(kind, span, stream, lines, source, limits)
            for record in records:
                yield span, record


def _records(
    kind: str,
    span: FileRange,
    stream: Stream,
    lines: Lines,
    source: SourceConfig,
    limits: LimitsConfig,
) -> Iterator[Record | DeadLetter]:
    if kind == "csv":
        return read_csv(span, lines, source.columns, limits.max_line_bytes)
    if kind == "tsv":
        return read_tsv(span, lines, source.columns, limits)
    if kind in ("tfrecord", "tfds"):
        return _examples(kind, span, stream, source, limits)
    if source.document == "line":
        return parse_lines(lines, parse_text)
    if source.document == "file":
        return parse_lines(_whole(span, stream, limits), parse_text)
    return parse_lines(_paragraphs(lines, limits.max_line_bytes), parse_text)


def parse_json(raw: bytes) -> dict[str, Any]:
    """Returns the object of one line of JSON.

    Raises:
        BadRecord: invalid_utf8, nul, bad_json or not_an_object.
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


def parse_text(raw: bytes) -> dict[str, Any]:
    """Returns plain text as a row; its lines end with ``\\n``.

    Raises:
        BadRecord: invalid_utf8, nul or lone_carriage_return.
    """
    return {"text": plain_text(raw)}


def _parquet(
    span: FileRange, source: SourceConfig, limits: LimitsConfig
) -> Iterator[Record | DeadLetter]:
    from textmill.components.ingester.readers.parquet import read_parquet

    return read_parquet(
        span.path,
        begin=span.begin,
        end=span.end,
        max_bytes=limits.max_line_bytes,
        max_expanded_bytes=limits.max_expanded_bytes,
        needed=_needed(source),
    )


def _examples(
    kind: str,
    span: FileRange,
    stream: Stream,
    source: SourceConfig,
    limits: LimitsConfig,
) -> Iterator[Record | DeadLetter]:
    from textmill.components.ingester.readers.tf_example import read_examples

    records = read_examples(
        stream, span.path, max_bytes=limits.max_line_bytes, needed=_needed(source)
    )
    return as_prepared(records, span.path) if kind == "tfds" else records


def _needed(source: SourceConfig) -> set[str]:
    return {name for name in (source.text, source.label, source.id) if name}


def _whole(span: FileRange, stream: Stream, limits: LimitsConfig) -> Lines:
    parts, size = [], 0
    while block := stream.read(1 << 20):
        parts.append(block)
        size += len(block)
        if size > limits.max_expanded_bytes:
            raise DataError(
                f"{span.path}: larger than limits.max_expanded_bytes "
                f"({limits.max_expanded_bytes}); read it by line or paragraph"
            )
    return [Line(0, b"".join(parts).removeprefix(BYTE_ORDER_MARK))] if parts else []


def _paragraphs(lines: Lines, max_bytes: int) -> Lines:
    """Joins the lines between blank lines; what grows too long is hashed, not held."""
    held: list[bytes] = []
    offset = size = 0
    too_long: LongRecord | None = None
    for line in lines:
        is_text = isinstance(line, Line) and not line.is_blank
        if held and not is_text:
            yield Line(offset, b"\n".join(held))
            held, size = [], 0
        elif too_long and not is_text:
            yield too_long.letter()
            too_long = None
        if isinstance(line, DeadLetter):
            yield line
        elif too_long and is_text:
            too_long.add(b"\n" + line.raw)
        elif is_text:
            offset = offset if held else line.offset
            held.append(line.raw)
            size += len(line.raw) + 1
            if size - 1 > max_bytes:
                too_long = LongRecord(offset, max_bytes)
                too_long.add(b"\n".join(held))
                held, size = [], 0
    if held:
        yield Line(offset, b"\n".join(held))
    if too_long:
        yield too_long.letter()


def _read_docstrings(
    spans: list[FileRange],
) -> Iterator[tuple[FileRange, Record | DeadLetter]]:
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
                yield (
                    span,
                    DeadLetter.of(0, file.read(), BadRecord("bad_python", found)),
                )
        else:
            for number, row in enumerate(found):
                yield span, Record(number, b"", row)
