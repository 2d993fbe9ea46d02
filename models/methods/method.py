"""The base class of training methods: four hooks in the step."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from textmill.models.tasks.task import Task


class Method:
    """Base class of a training method; every hook changes nothing by default.

    It is built with the model, before the optimizer. The three hooks below run while
    the step is traced; those of several methods run in the order of the config.

    Attributes:
        variables: its state, which checkpoints contain.
    """

    def __init__(self, config: Any, task: Task) -> None:
        self.config, self.task = config, task
        self.variables: list[keras.Variable] = []
        self.change_model()

    def change_model(self) -> None:
        """Changes the task's model, or which of its weights are trained."""

    def change_loss(
        self, loss: tf.Tensor, sums: dict[str, tf.Tensor], features: dict[str, Any]
    ) -> tf.Tensor:
        """Returns the loss of some rows.

        Losses are sums over rows, which the step divides by the weight of all rows.

        Args:
            loss: the loss so far.
            sums: the task's sums of these rows, of which ``weight`` is one.
            features: the model's inputs and targets.
        """
        return loss

    def change_gradients(
        self, gradients: list[tf.Tensor], variables: list[keras.Variable]
    ) -> list[tf.Tensor]:
        """Returns the mean gradients of all rows and replicas, before clipping."""
        return gradients

    def after_update(self, number: tf.Tensor) -> None:
        """Changes weights or state after update ``number``; not inside a replica."""
