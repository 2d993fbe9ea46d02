"""Writes the Parquet files of predictions, in row groups of a fixed size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from textmill.components.artifacts import Predictions
from textmill.models.errors import IntegrityError

GROUP_ROWS = 8192
"""Rows of a row group: bytes do not depend on the batch of a forward pass."""


def write_rows(
    predictions: Predictions,
    split: str,
    *,
    outputs: Iterator[dict[str, np.ndarray]],
    columns: Iterator[dict[str, str]],
) -> None:
    """Writes the outputs of a split, with the text columns of the same rows.

    Args:
        predictions: the artifact to write to.
        split: names the file.
        outputs: batches of arrays ``[rows, ...]`` by name, of any size.
        columns: text by name, for each row.
    """
    import pyarrow.parquet as pq

    writer: Any = None
    count, name = 0, predictions.file_name(split)
    path = predictions.file(name)
    try:
        for group in _regrouped(outputs, GROUP_ROWS):
            size = len(next(iter(group.values())))
            table = _table(group, list(islice(columns, size)))
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
            count += size
    finally:
        if writer is not None:
            writer.close()
    if count:  # a split without rows has no file
        predictions.records[name] = count


def text_columns(
    predictions: Predictions, split: str | None = None
) -> Iterator[dict[str, str]]:
    """Yields id and slice columns of each row of a split, by default the evaluated."""
    for group in predictions.read_groups(split):
        texts = {name: v for name, v in group.items() if isinstance(v, list)}
        for row in zip(*texts.values(), strict=True):
            yield dict(zip(texts, row, strict=True))


def _regrouped(
    batches: Iterator[dict[str, np.ndarray]], size: int
) -> Iterator[dict[str, np.ndarray]]:
    """Yields the same rows in groups of ``size``, the last one smaller."""
    waiting: list[dict[str, np.ndarray]] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += len(next(iter(batch.values())))
        while count >= size:
            rows = {k: np.concatenate([b[k] for b in waiting]) for k in batch}
            yield {k: v[:size] for k, v in rows.items()}
            waiting, count = [{k: v[size:] for k, v in rows.items()}], count - size
    if count:
        yield {k: np.concatenate([b[k] for b in waiting]) for k in waiting[0]}


def _table(outputs: dict[str, np.ndarray], columns: list[dict[str, str]]) -> Any:
    import pyarrow as pa

    arrays = {name: pa.array([row[name] for row in columns]) for name in columns[0]}
    for name, values in outputs.items():
        if values.ndim == 1:
            arrays[name] = pa.array(values)
        else:
            flat = pa.array(values.reshape(-1))
            arrays[name] = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    return pa.table(arrays)


def aligned_groups(
    predictions: Sequence[Predictions], split: str | None = None
) -> Iterator[tuple[dict[str, Any], ...]]:
    """Yields the row groups of several models' predictions side by side.

    Raises:
        IntegrityError: they are of different rows.
    """
    readers = [part.read_groups(split) for part in predictions]
    for groups in zip(*readers, strict=True):
        if any(group["id"] != groups[0]["id"] for group in groups):
            paths = ", ".join(str(part.path) for part in predictions)
            raise IntegrityError(
                f"{paths}: predictions of different rows; run the pipeline again"
            )
        yield groups
