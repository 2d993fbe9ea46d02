"""Columns of Arrow become Python values that JSON can hold.

Dates and times become text in ISO 8601 (in UTC where they have a time zone), decimals
become floats; views and categories become what they stand for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_Test = Callable[[pa.DataType], bool]
_TEXTS: tuple[_Test, ...] = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
)
_OTHERS: tuple[_Test, ...] = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_decimal,
    pa.types.is_date,
    pa.types.is_time,
    pa.types.is_timestamp,
    pa.types.is_null,
)


def is_plain(kind: pa.DataType) -> bool:
    """Returns whether a value of a type is a text, a number, a flag, a date or null."""
    if pa.types.is_dictionary(kind):
        return is_plain(kind.value_type)
    return any(test(kind) for test in (*_TEXTS, *_OTHERS))


def is_nested(kind: pa.DataType) -> bool:
    """Returns whether a type has parts: a list, a struct, a map or a union."""
    return bool(pa.types.is_nested(kind))


def to_plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Returns a batch of texts, numbers, flags, nulls and nested columns alone."""
    kinds = [_plain_type(column.type) for column in batch.columns]
    if all(kind is None for kind in kinds):
        return batch
    columns = [
        column if kind is None else _cast(column, kind)
        for column, kind in zip(batch.columns, kinds, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _plain_type(kind: pa.DataType) -> pa.DataType | None:
    """Returns the type to convert a column to, or None for one that is plain."""
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if pa.types.is_decimal(kind):
        return pa.float64()
    if pa.types.is_date(kind) or pa.types.is_time(kind) or pa.types.is_timestamp(kind):
        return pa.string()
    return None


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = column.cast(pa.timestamp(column.type.unit))
    return column.cast(kind)


def to_python(column: pa.Array) -> list[Any]:
    """Returns the values of a column; a text that is not UTF-8 as its bytes."""
    if pa.types.is_dictionary(column.type):
        # The same text many times is to stay one text.
        values = [*to_python(column.dictionary), None]
        return [
            values[i] for i in column.indices.fill_null(len(values) - 1).to_pylist()
        ]
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        if pa.types.is_nested(column.type):
            return [_value_or_bytes(value) for value in column]
        # Parquet does not hold its writers to UTF-8; ``plain`` finds the rows.
        large = pa.types.is_large_string(column.type)
        kind = pa.large_binary() if large else pa.binary()
        return list(column.cast(kind).to_pylist())


def _value_or_bytes(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return b"\xff"


def value_lengths(batch: pa.RecordBatch) -> list[pa.Array]:
    """Returns the bytes of every text or list, by column of texts or lists."""
    lengths = []
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and _is_text(column.type.value_type):
            lengths.append(pc.binary_length(column.dictionary).take(column.indices))
        elif _is_text(column.type):
            lengths.append(pc.binary_length(column))
        elif pa.types.is_nested(column.type):
            values = [column.slice(i, 1) for i in range(len(column))]
            lengths.append(pa.array([value.nbytes for value in values], pa.int64()))
    return [pc.fill_null(column, 0) for column in lengths]


def longer_rows(lengths: list[pa.Array], max_bytes: int) -> set[int]:
    """Returns the rows with a text of more bytes."""
    rows: set[int] = set()
    for column in lengths:
        if (pc.max(column).as_py() or 0) > max_bytes:
            rows |= set(pc.indices_nonzero(pc.greater(column, max_bytes)).to_pylist())
    return rows


def _is_text(kind: pa.DataType) -> bool:
    return any(test(kind) for test in _TEXTS)
