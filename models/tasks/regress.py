"""Regression: a number for a text."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from typing_extensions import override

from textmill.models.rows import RowReader
from textmill.models.tasks.pooled import PooledTask
from textmill.models.tasks.server import Answers, Server
from textmill.models.tasks.task import Features, Rows


class RegressServer(Server):
    """``number`` float32 ``[n]``, in the unit of the targets."""

    @override
    def answer(self, rows: Rows) -> Answers:
        assert isinstance(self._task, Regress)
        return {"number": self._task.numbers(self._features(rows))}


class Regress(PooledTask):
    """Predicts a number from the pooled hidden states.

    The model learns numbers of mean 0 and variance 1, whatever the unit is.

    Attributes:
        scale: float32 ``[2]``: mean and standard deviation of the numbers of train.
    """

    target_column = "number"
    server_class = RegressServer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.scale = self.add_constant("scale", np.array([0.0, 1.0], np.float32))

    @property
    @override
    def num_outputs(self) -> int:
        return 1

    @override
    def _example_targets(self, count: int) -> tf.Tensor:
        return tf.cast(tf.range(count), tf.float32)

    @override
    def prepare(self, rows: RowReader) -> None:
        """Sets the scale to that of the rows to train on."""
        numbers = rows.column("number").astype(np.float64)
        if len(numbers):
            deviation = numbers.std() or 1.0
            self.scale.assign(np.array([numbers.mean(), deviation], np.float32))

    def numbers(self, features: Features, *, training: bool = False) -> tf.Tensor:
        """Returns the model's numbers, float32 ``[b]``, in the unit of the targets."""
        standardized = tf.cast(self.logits(features, training=training), tf.float32)
        mean, deviation = tf.unstack(tf.convert_to_tensor(self.scale))
        return standardized[:, 0] * deviation + mean

    @property
    @override
    def sum_names(self) -> tuple[str, ...]:
        return ("loss", "weight", "error")

    @override
    def loss_sums(self, features: Features, *, training: bool) -> dict[str, tf.Tensor]:
        """Sums the squared error in standard deviations, and the distance."""
        weights = features["weights"]
        errors = self.numbers(features, training=training) - features["targets"]
        deviation = tf.convert_to_tensor(self.scale)[1]
        return {
            "loss": tf.square(errors / deviation) * weights,
            "weight": weights,
            "error": tf.abs(errors) * weights,
        }

    @override
    def means(self, sums: dict[str, float]) -> dict[str, float]:
        weight = max(sums["weight"], 1.0)
        return {"loss": sums["loss"] / weight, "mae": sums["error"] / weight}

    @override
    def predictions(self, features: Features) -> dict[str, tf.Tensor]:
        return {"number": self.numbers(features)}
