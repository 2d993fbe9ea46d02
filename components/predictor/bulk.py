"""Bulk prediction: blocks of rows become files of predictions, on any Beam runner.

One element is a block: a file of rows. Its predictions are a file of the same number,
which appears when it is whole, so a repeated call leaves finished blocks out. A worker
process loads the model once. Texts of a block are answered in the order of their
lengths, which depends on the block alone, and so do the bytes of its predictions.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson

from textmill.components.manifest import write_flushed
from textmill.components.predictor.answers import flatten_answer, merge, top
from textmill.components.shards import open_shard, read_shard
from textmill.models.errors import DataError

if TYPE_CHECKING:
    from textmill.models.export.format import Runtime

OutputFormat = Literal["jsonl", "csv", "parquet"]
Row = dict[str, Any]
_LOADING = Lock()
"""Worker threads of a process share its model."""


@dataclass(frozen=True, kw_only=True)
class BulkJob:
    """The answers to write for every block."""

    model: str
    """Folder of a SavedModel."""
    columns: tuple[str, ...]
    """Columns of the texts of an answer."""
    format: OutputFormat
    top: int | None = None
    """Number of most probable labels to keep; None keeps all."""
    explain: bool = False
    """Whether answers have the n-grams that speak for and against them."""
    trust: bool = False
    """Whether to load a SavedModel without a manifest."""


class Block(NamedTuple):
    """A file of rows, and the file of their predictions."""

    rows: str
    predictions: str


def write_block(rows: Sequence[Row], block: Block) -> None:
    """Writes the rows of a block, ``jsonl.zst``."""
    with open_shard(Path(block.rows)) as file:
        for row in rows:
            file.write(orjson.dumps(row, default=str) + b"\n")


def predict_blocks(
    blocks: Iterable[Block], job: BulkJob, *, beam_options: Mapping[str, Any]
) -> None:
    """Writes the predictions of blocks.

    Args:
        blocks: their rows are written.
        job: the answers.
        beam_options: as of ``run.beam``.

    Raises:
        DataError: an answer does not fit the format.
    """
    import apache_beam as beam

    from textmill.components.beam import open_pipeline
    from textmill.components.scratch import ScratchDir
    from textmill.components.worker_errors import raise_first_error

    blocks = list(blocks)
    scratch = ScratchDir(str(Path(blocks[0].rows).parent))
    with open_pipeline(beam_options) as pipeline:
        _ = (
            pipeline
            | beam.Create(blocks)
            | beam.Reshuffle()
            | beam.Map(_predict_block, job, scratch)
        )
    raise_first_error(scratch)


def _predict_block(block: Block, job: BulkJob, scratch: Any) -> None:
    from textmill.components.worker_errors import recording_errors

    with recording_errors(scratch, Path(block.rows).name):
        rows = list(read_shard(Path(block.rows)))
        answers = _answers(rows, job)
        content = encode(
            [(row, top(a, job.top)) for row, a in zip(rows, answers, strict=True)],
            job.format,
        )
        target = Path(block.predictions)
        draft = target.with_name(f".{target.name}")
        write_flushed(draft, content)
        draft.rename(target)


def _answers(rows: Sequence[Row], job: BulkJob) -> list[dict[str, Any]]:
    from textmill.components.predictor.saved_model import predict_texts

    texts = [[row[column] for column in job.columns] for row in rows]
    order = sorted(range(len(rows)), key=lambda i: (sum(map(len, texts[i])), i))
    model = shared_model(job.model, trust=job.trust)
    given = [texts[i][0] if len(texts[i]) == 1 else texts[i] for i in order]
    answers: list[Any] = [None] * len(rows)
    for i, answer in zip(
        order, predict_texts(model, given, explain=job.explain), strict=True
    ):
        answers[i] = answer
    return answers


def shared_model(folder: str, *, trust: bool) -> Runtime:
    """Returns a SavedModel, which a process loads once."""
    with _LOADING:
        return _model(folder, trust)


@cache
def _model(folder: str, trust: bool) -> Runtime:
    from textmill.components.predictor.saved_model import load_saved_model

    return load_saved_model(Path(folder), trust=trust)


def encode(
    predictions: Sequence[tuple[Row, dict[str, Any]]], format: OutputFormat
) -> bytes:
    """Returns rows with their answers as the content of a file.

    Raises:
        DataError: csv: rows have other columns than the first one.
    """
    if format == "jsonl":
        lines = [orjson.dumps(merge(row, answer)) for row, answer in predictions]
        return b"".join(line + b"\n" for line in lines)
    rows = [merge(row, flatten_answer(answer)) for row, answer in predictions]
    if format == "parquet":
        import pyarrow
        import pyarrow.parquet as pq

        stream = pyarrow.BufferOutputStream()
        pq.write_table(pyarrow.Table.from_pylist(rows), stream, compression="zstd")
        return bytes(stream.getvalue())
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    try:
        writer.writerows(rows)
    except ValueError as error:
        raise DataError(
            f"predict: expected the columns of the first row in all of a block: "
            f"{error}; write jsonl, whose rows may differ"
        ) from None
    return text.getvalue().encode()
