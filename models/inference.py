"""Inference: a trained model on disk becomes numbers about rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from textmill.models.config import ModelConfig
from textmill.models.rows import RowReader
from textmill.models.tasks import TASKS
from textmill.models.tasks.masking import Masking
from textmill.models.tasks.task import Task
from textmill.models.tokenizers import Tokenizer, load_tokenizer
from textmill.models.training.sampler import row_keys
from textmill.models.weights import load_weights


def load_task(
    weights: Path,
    tokenizer: Path,
    facts: dict[str, Any],
    *,
    attention: Literal["document", "row"] = "row",
) -> tuple[Task, Tokenizer]:
    """Rebuilds a task and its tokenizer from a trained model's files and facts.

    Answers are computed in float32, whatever the model was trained in, and for rows of
    one text unless ``attention`` keeps the documents of a row apart.
    """
    keras.utils.clear_session()
    keras.config.set_dtype_policy("float32")
    loaded = load_tokenizer(tokenizer)
    task = TASKS[facts["task"]](
        ModelConfig(**facts["model"]),
        vocabulary_size=loaded.size,
        specials=loaded.specials,
        num_labels=len(facts["labels"]),
        masking=Masking(**facts["masking"]),
        attention=attention,
        next_sentence=facts["next_sentence"],
    )
    load_weights(task, weights)
    return task, loaded


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


def measure_rows(
    task: Task, rows: RowReader, *, batch: int, seed: int
) -> dict[str, np.ndarray]:
    """Returns the task's sums of every row, float64 ``[rows]`` each.

    Loss is in nats; see ``Task.sum_names``.
    """
    call = tf.function(lambda features: task.sums(features, training=False))
    parts = [call(_features(task, b)) for b in row_batches(rows, batch, seed)]
    return {
        name: np.concatenate([part[name] for part in parts])[: len(rows)].astype(float)
        for name in task.sum_names
    }


def classify_rows(
    task: Task, rows: RowReader, *, batch: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns probabilities float64 ``[rows, labels]`` and true labels ``[rows]``."""
    call = tf.function(lambda features: tf.nn.softmax(task.logits(features)))
    probabilities, labels = [], []
    for rows_batch in row_batches(rows, batch, 0):
        probabilities.append(call(_features(task, rows_batch)).numpy())
        labels.append(rows_batch["label"])
    size = len(rows)
    return (
        np.concatenate(probabilities)[:size].astype(float),
        np.concatenate(labels)[:size],
    )


def _features(task: Task, batch: dict[str, Any]) -> dict[str, tf.Tensor]:
    rows = {name: tf.constant(value) for name, value in batch.items()}
    return task.features(rows)
