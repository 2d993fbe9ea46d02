"""Adafactor (Shazeer and Stern, 2018): a second moment in rows and columns.

Keras' rule, except that Keras also stores the product of both, which is as large as the
weight and so defeats the factors' purpose.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from textmill.models.training.optimizers.reduced_gradient import (
    ReducedGradientOptimizer,
)


class _Factored(keras.optimizers.Adafactor):
    """The rule: factors over the last two dimensions; full moments for vectors."""

    def build(self, variables: list[keras.Variable]) -> None:
        """Creates row and column means of matrices, and second moments of vectors."""
        keras.optimizers.Optimizer.build(self, variables)
        self._moments = [self._moment(variable) for variable in variables]

    def _moment(self, variable: keras.Variable) -> list[keras.Variable]:
        shape = tuple(variable.shape)
        shapes = [shape]
        if len(shape) > 1:
            shapes = [shape[:-1], (*shape[:-2], shape[-1])]
        return [
            self.add_variable(one, dtype=variable.dtype, name="moment")
            for one in shapes
        ]

    def update_step(
        self, gradient: tf.Tensor, variable: Any, learning_rate: tf.Tensor
    ) -> None:
        """Takes one step."""
        count = tf.cast(self.iterations + 1, tf.float32)
        decay = 1.0 - count**self.beta_2_decay
        square = gradient * gradient + self.epsilon_1
        moments = self._moments[self._get_variable_index(variable)]
        averages = [square]
        if len(moments) == 2:
            averages = [tf.reduce_mean(square, axis) for axis in (-1, -2)]
        for moment, value in zip(moments, averages, strict=True):
            self.assign(moment, decay * moment + (1.0 - decay) * value)
        second = tf.convert_to_tensor(moments[0])
        if len(moments) == 2:
            rows, columns = map(tf.convert_to_tensor, moments)
            rows = rows / tf.reduce_mean(rows, -1, keepdims=True)
            second = rows[..., :, None] * columns[..., None, :]
        update = gradient / tf.sqrt(second)
        update /= tf.maximum(1.0, _rms(update) / self.clip_threshold)
        learning_rate = tf.minimum(learning_rate, 1.0 / tf.sqrt(count))
        size = tf.maximum(self.epsilon_2, _rms(tf.convert_to_tensor(variable)))
        self.assign_sub(variable, learning_rate * size * update)


def _rms(x: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.reduce_mean(x * x))


class Adafactor(ReducedGradientOptimizer, _Factored):
    """Adafactor at the schedule's learning rate."""
