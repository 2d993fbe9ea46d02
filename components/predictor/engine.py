"""A trained model's forward pass over a split, written to Parquet as it goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from textmill.components.artifacts import (
    Documents,
    Predictions,
    TokenRows,
    TrainedModel,
    write_json,
)
from textmill.components.predictor import PredictorConfig
from textmill.models.errors import ConfigError, did_you_mean
from textmill.models.inference import predict_rows, tokenize_texts
from textmill.models.linear.model import LinearModel
from textmill.models.rows import RowReader, RowSchema
from textmill.models.targets import TARGETS
from textmill.models.tasks import TASKS
from textmill.models.tokenizers import load_tokenizer
from textmill.models.weights import load_task

NO_VALUE = "(none)"
"""The slice of documents that do not have the column."""
_GROUP_ROWS = 8192


def predict_split(
    split: str,
    *,
    documents: Documents,
    rows: TokenRows,
    model: TrainedModel,
    predictions: Predictions,
    config: PredictorConfig,
) -> None:
    """Writes the predictions of a split, and generated samples if configured.

    Raises:
        ConfigError: a slice names no column.
    """
    target = TASKS[model.facts["task"]].target
    _check_slices(documents, target, config.slices)
    copied = list(config.slices)
    group = config.group if target != "none" else None
    if group and group not in copied:
        copied.append(group)
    columns = _row_columns(documents, split, target=target, copied=copied)
    if model.facts["model"]["family"] == "linear":
        outputs = _linear_outputs(documents, split, model, target=target)
    else:
        outputs = _row_outputs(rows, split, model, predictions, config)
    _write(predictions, split, outputs=outputs, columns=columns)
    predictions.facts = {
        "task": model.facts["task"],
        "labels": model.facts["labels"],
        "split": split,
        "rows": predictions.records[predictions.file_name(split)],
        "slices": list(config.slices) if target != "none" else [],
        **({"group": group} if group else {}),
        **_sizes(rows, split),
        "model": model.digest,
        "documents": documents.digest,
    }


def _sizes(rows: TokenRows, split: str) -> dict[str, int]:
    """Returns tokens and bytes of the texts that the model predicts.

    These are the answers of rows with prompts, and whole documents otherwise.
    """
    if "answers" in rows.facts:
        sizes: dict[str, int] = rows.facts["answers"][split]
        return sizes
    return {
        "tokens": rows.facts["tokens"][split]["in"],
        "bytes": rows.facts["bytes"][split],
    }


def _row_outputs(
    rows: TokenRows,
    split: str,
    model: TrainedModel,
    predictions: Predictions,
    config: PredictorConfig,
) -> Iterator[dict[str, np.ndarray]]:
    """Returns the outputs of rows; writes the samples of a model that generates."""
    task, tokenizer = load_task(
        model.path / model.WEIGHTS,
        model.path / model.TOKENIZER,
        model.facts,
        attention=rows.facts["attention"],
    )
    if config.samples:
        texts = task.write(
            tokenizer,
            count=config.samples,
            num_tokens=config.sample_tokens,
            seed=config.seed,
        )
        write_json(predictions.file(predictions.SAMPLES), texts)
    reader = RowReader(rows.shards(split), RowSchema.of(rows.facts))
    target = TASKS[model.facts["task"]].target
    return predict_rows(
        task, reader, target=target, batch=config.batch, seed=config.seed
    )


def _linear_outputs(
    documents: Documents, split: str, model: TrainedModel, *, target: str
) -> Iterator[dict[str, np.ndarray]]:
    """Yields targets and probabilities of whole documents, in their order."""
    linear = LinearModel.load(model.path / model.WEIGHTS, model.facts["model"])
    tokenizer = load_tokenizer(model.path / model.TOKENIZER)
    kind, labels = TARGETS[target], model.facts["labels"]
    labelled = documents.read_with(kind.field, split)
    while batch := list(islice(labelled, _GROUP_ROWS)):
        ids = list(tokenize_texts(tokenizer, (d["text"] for d in batch)))
        numbers = kind.encode([d[kind.field] for d in batch], labels)
        yield {
            "target": np.array(numbers, np.int32),
            "probabilities": linear.probabilities(ids),
        }


def _check_slices(documents: Documents, target: str, slices: tuple[str, ...]) -> None:
    known = ["id", "text", TARGETS[target].field, *documents.facts["columns"]]
    for column in slices:
        if column not in known:
            hint = did_you_mean(column, known)
            raise ConfigError(
                f"evaluate.slices: expected one of {', '.join(filter(None, known))}, "
                f"got {column!r}{hint}"
            )


def _row_columns(
    documents: Documents, split: str, *, target: str, copied: Sequence[str]
) -> Iterator[dict[str, str]]:
    """Yields the id and the copied columns of each row.

    A row of a task with a target is a document; other rows may hold several, and are
    numbered.
    """
    if target == "none":
        number = 0
        while True:
            yield {"id": f"{split}-{number:09d}"}
            number += 1
    for document in documents.read_with(TARGETS[target].field, split):
        values = {column: str(document.get(column, NO_VALUE)) for column in copied}
        yield {"id": document["id"]} | values


def _write(
    predictions: Predictions,
    split: str,
    *,
    outputs: Iterator[dict[str, np.ndarray]],
    columns: Iterator[dict[str, str]],
) -> None:
    """Writes row groups of a fixed size, so that bytes do not depend on the batch."""
    import pyarrow.parquet as pq

    writer: Any = None
    count, name = 0, predictions.file_name(split)
    path = predictions.file(name)
    try:
        for group in _regrouped(outputs, _GROUP_ROWS):
            size = len(next(iter(group.values())))
            table = _table(group, list(islice(columns, size)))
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
            count += size
    finally:
        if writer is not None:
            writer.close()
    predictions.records[name] = count


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
