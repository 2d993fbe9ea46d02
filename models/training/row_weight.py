"""The mean weight of a row in the loss, from a sample of rows."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from textmill.models.rows import RowReader
from textmill.models.tasks.task import Task
from textmill.models.training.sampler import row_keys

_ROWS = 4096


def mean_row_weight(task: Task, rows: RowReader, *, seed: int) -> float:
    """Returns the mean weight of a row, over all rows or 4,096 at even distances.

    Its error changes the scale of all gradients alike, so it does not change the
    weights of tokens relative to each other.
    """
    size = min(len(rows), _ROWS)
    indices = np.arange(size) * len(rows) // size
    columns = {**rows.take(indices), "keys": row_keys(seed, 0, indices)}
    features = task.features({k: tf.constant(v) for k, v in columns.items()})
    return float(tf.reduce_sum(features["weights"])) / size
