"""Inference: runs a model over rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import tensorflow as tf

from textmill.models.rows import RowReader
from textmill.models.targets import TARGETS
from textmill.models.tasks.task import Task
from textmill.models.tokenizers import Tokenizer
from textmill.models.training.sampler import row_keys

_SAMPLE_ROWS = 3
_TEXTS_A_CALL = 512


def row_batches(rows: RowReader, batch: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yields all rows in order, in full batches; the last repeats its last row.

    ``valid`` is 1, or 0 for the repeats. Keys are those of epoch -1, which no training
    step uses, so that masks are the same at every evaluation.
    """
    for start in range(0, len(rows), batch):
        wanted = np.arange(start, start + batch)
        indices = np.minimum(wanted, len(rows) - 1)
        yield {
            **rows.take(indices),
            "keys": row_keys(seed, -1, indices),
            "valid": (wanted < len(rows)).astype(np.float32),
        }


def predict_rows(
    task: Task, rows: RowReader, *, target: str, batch: int, seed: int
) -> Iterator[dict[str, np.ndarray]]:
    """Yields the task's outputs for batches of rows in order.

    Args:
        task: the model.
        rows: the rows of a split.
        target: kind of target: its column, if it has one, is copied to ``target``.
        batch: rows of a forward pass.
        seed: seed of masks.
    """
    call = tf.function(task.predictions, autograph=False)
    for columns in row_batches(rows, batch, seed):
        size = int(columns["valid"].sum())
        features = task.features({k: tf.constant(v) for k, v in columns.items()})
        outputs = {k: v.numpy()[:size] for k, v in call(features).items()}
        if (field := TARGETS[target].field) in columns:
            outputs = {"target": columns[field][:size]} | outputs
        yield outputs


def tokenize_texts(tokenizer: Tokenizer, texts: Iterable[str]) -> Iterator[np.ndarray]:
    """Yields the int32 token ids of whole texts, without control tokens."""
    remaining = iter(texts)
    while batch := list(islice(remaining, _TEXTS_A_CALL)):
        ids = tokenizer(tf.constant(batch))
        yield from np.split(ids.flat_values.numpy(), ids.row_splits.numpy()[1:-1])


def tokenize_documents(
    tokenizer: Tokenizer, documents: Iterable[Sequence[str]]
) -> Iterator[np.ndarray]:
    """Yields the int32 token ids of documents, an end token between their texts."""
    remaining = iter(documents)
    end = np.array([tokenizer.specials.end], np.int32)
    while batch := list(islice(remaining, _TEXTS_A_CALL)):
        ids = tokenize_texts(tokenizer, (text for texts in batch for text in texts))
        for texts in batch:
            first, *others = islice(ids, len(texts))
            parts = [part for other in others for part in (end, other)]
            yield np.concatenate([first, *parts]) if parts else first


def sample_rows(task: Task, rows: RowReader, tokenizer: Tokenizer) -> str:
    """Returns the task's outputs for the first rows as Markdown; empty without any."""
    if not len(rows):
        return ""
    [batch] = islice(row_batches(rows, _SAMPLE_ROWS, 0), 1)
    batch = {name: tf.constant(value) for name, value in batch.items()}
    return "\n\n".join(task.sample(batch, tokenizer))
