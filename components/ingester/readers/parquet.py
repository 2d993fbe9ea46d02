"""Parquet files: row groups become rows of plain columns.

Batches are small enough for about a block of text each, and columns are read through
buffers, so memory does not grow with a row group. Class labels that Hugging Face's
``datasets`` wrote as numbers get their names back.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from textmill.components.ingester.readers.arrow_columns import (
    is_nested,
    is_plain,
    longer_rows,
    to_plain,
    to_python,
    value_lengths,
)
from textmill.components.ingester.readers.compression import (
    MAX_EXPANSION,
    ExpandedStream,
)
from textmill.components.ingester.readers.reader import (
    FileColumns,
    FileRange,
    Reader,
    Records,
)
from textmill.components.ingester.readers.records import (
    BadRecord,
    DeadLetter,
    Record,
    name_classes,
)
from textmill.components.ingester.readers.streams import open_stream
from textmill.components.ingester.readers.tfrecord import plain
from textmill.components.ingester.sources.files import SourceFile
from textmill.models.errors import DataError, IntegrityError

_BATCH_BYTES = 1 << 20
_MAX_BATCH_ROWS = 128
_BUFFER_BYTES = 1 << 16
_EXPANSION_FLOOR = 64 << 20  # one repeated value takes next to nothing
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


class RowRecord(Record):
    """A row of a columnar file; its bytes are those of its JSON."""

    __slots__ = ()

    @property
    def raw(self) -> bytes:  # type: ignore[override]
        """The row as JSON."""
        return orjson.dumps(self.row, default=repr)


class ParquetReader(Reader):
    """Reads the rows of row groups; a record's offset is the number of its row."""

    def ranges(self, file: SourceFile) -> Iterator[tuple[int, int | None, int]]:
        """Yields ranges of row groups of about a block, and their stored bytes.

        Raises:
            IntegrityError: the footer cannot be read.
        """
        with _open(file.path) as (parquet, _):
            sizes = _stored_bytes(_row_groups(parquet), file.size)
        begin = size = 0
        for i, group in enumerate(sizes, start=1):
            size += group
            if size >= self.block_bytes or i == len(sizes):
                yield begin, i, size
                begin, size = i, 0

    def columns(self, file: SourceFile) -> FileColumns:
        """Returns the columns of a file's footer.

        Raises:
            IntegrityError: the file is damaged.
        """
        with _open(file.path) as (parquet, _):
            names = tuple(parquet.schema_arrow.names)
        return FileColumns(names, has_header=True, is_complete=True)

    def num_records(self, file: SourceFile) -> int:
        """Returns the number of rows in a file's footer.

        Raises:
            IntegrityError: the file is damaged.
        """
        with _open(file.path) as (parquet, _):
            return int(parquet.metadata.num_rows)

    def read(self, part: FileRange) -> Records:
        """Yields the rows of a range of row groups.

        Rows with a longer text than limits.max_line_bytes become dead letters; bytes
        that are not UTF-8 are left out of columns that no document needs.

        Raises:
            IntegrityError: the file is damaged.
            DataError: it grows beyond its bounds.
        """
        max_bytes, needed = self.limits.max_line_bytes, self.needed_columns
        with _open(part.path) as (file, size):
            selected = range(file.num_row_groups)[part.begin : part.end]
            groups = _row_groups(file)
            number = sum(group.num_rows for group in groups[: part.begin])
            names = _class_names(file.schema_arrow)
            stored = sum(_stored_bytes(groups, size)[part.begin : part.end])
            bound = self._max_expanded_bytes(stored)
            if sum(g.total_byte_size for g in groups[part.begin : part.end]) > bound:
                raise self._expands(part)
            columns = self._columns(file.schema_arrow, part)
            for batch in _batches(file, selected, columns):
                batch = to_plain(batch)
                lengths = value_lengths(batch)
                bound -= sum(pc.sum(column).as_py() or 0 for column in lengths)
                if bound < 0:
                    raise self._expands(part)
                too_long = longer_rows(lengths, max_bytes)
                for i, row in enumerate(_rows(batch)):
                    limit = max_bytes if i in too_long else None
                    yield _record(number + i, row, limit, names, needed)
                number += batch.num_rows

    def places(self, part: FileRange, offsets: list[int]) -> dict[int, dict[str, int]]:
        """Returns the rows of records by their offsets."""
        return {offset: {"row": offset + 1} for offset in offsets}

    def _columns(self, schema: pa.Schema, part: FileRange) -> list[str]:
        """Returns the columns to read: the plain ones, and the target's.

        Raises:
            DataError: the text is nested.
        """
        needed = self.needed_columns
        for text in self.source.text_columns:
            if self.source.target == "tags":  # a list of tokens
                continue
            if text in schema.names and is_nested(schema.field(text).type):
                raise DataError(
                    f"{part.path}: expected text in column {text!r}, got "
                    f"{schema.field(text).type}; write its text to a column of its "
                    "own, and name that in source.text"
                )
        return [
            field.name
            for field in schema
            if field.name in (self.source.target_column, *self.source.text_columns)
            or (
                is_plain(field.type)
                and (field.name in needed or not _PANDAS_INDEX.fullmatch(field.name))
            )
        ]

    def _expands(self, part: FileRange) -> DataError:
        return DataError(
            f"{part.path}: expands to more than limits.max_expanded_bytes, or "
            f"{MAX_EXPANSION} times its own size"
        )

    def _max_expanded_bytes(self, stored: int) -> int:
        bound = max(stored * MAX_EXPANSION, _EXPANSION_FLOOR)
        return min(bound, self.limits.max_expanded_bytes)


def _row_groups(file: pq.ParquetFile) -> list[pq.RowGroupMetaData]:
    return [file.metadata.row_group(i) for i in range(file.num_row_groups)]


def _stored_bytes(groups: list[pq.RowGroupMetaData], file_size: int) -> list[int]:
    """Returns the bytes of row groups in a file, by their shares of its content.

    A footer has the exact sizes by column, but pyarrow ends the process where the
    metadata of a column is damaged, and raises an error where the column is read.
    """
    sizes = [max(group.total_byte_size, 0) for group in groups]
    total = max(sum(sizes), 1)
    return [file_size * size // total for size in sizes]


def _batches(
    file: pq.ParquetFile, groups: range, columns: list[str]
) -> Iterator[pa.RecordBatch]:
    """Yields batches of about a block."""
    metadata = [file.metadata.row_group(i) for i in groups]
    num_rows = sum(group.num_rows for group in metadata)
    size = max(sum(group.total_byte_size for group in metadata), 1)
    return file.iter_batches(
        batch_size=max(1, min(_MAX_BATCH_ROWS, _BATCH_BYTES * num_rows // size)),
        row_groups=list(groups),
        columns=columns,
        use_threads=False,
    )


def _record(
    number: int,
    row: dict[str, Any],
    exceeded_bytes: int | None,
    names: dict[str, tuple[str, ...]],
    needed: Collection[str],
) -> Record | DeadLetter:
    record = RowRecord(number, b"", row)
    try:
        if exceeded_bytes is not None:
            raise BadRecord("record_too_long", f"longer than {exceeded_bytes} bytes")
        name_classes(plain(row, needed), names)
    except BadRecord as error:
        return DeadLetter.of(number, record.raw, error)
    return record


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    names = batch.schema.names
    columns = [to_python(column) for column in batch.columns]
    if not columns:
        yield from ({} for _ in range(batch.num_rows))
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))


def _class_names(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    """Reads the ClassLabel features that Hugging Face's datasets leaves in a schema."""
    raw = (schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(raw)["info"]["features"] if raw else {}
        classes = {
            column: feature.get("feature", feature)
            for column, feature in features.items()
            if isinstance(feature, dict)
        }
        return {
            column: tuple(map(str, feature["names"]))
            for column, feature in classes.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError):
        return {}


@contextmanager
def _open(path: str) -> Iterator[tuple[pq.ParquetFile, int]]:
    """Context manager: a file and its size in bytes."""
    stream = open_stream(path, max_expanded_bytes=0)
    assert not isinstance(stream, ExpandedStream)
    size = stream.seek(0, os.SEEK_END)
    try:
        with pq.ParquetFile(
            stream,
            buffer_size=_BUFFER_BYTES,
            pre_buffer=False,
            page_checksum_verification=True,
        ) as file:
            yield file, size
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: the name of a column is not UTF-8 ({error.object!r}); rename it"
        ) from None
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        words = " ".join(str(error).split())
        raise IntegrityError(
            f"{path}: damaged, cut, or no Parquet ({words}); fetch the file again"
        ) from None
    finally:
        stream.close()
