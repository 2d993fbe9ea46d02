"""LAMB (You et al., 2020): Adam whose updates scale with the norms of the weights."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from textmill.models.training.optimizers.reduced_gradient import (
    ReducedGradientOptimizer,
)


class _LayerwiseAdam(keras.optimizers.Adam):
    """Adam with updates scaled to the norms of the weights."""

    def update_step(
        self, gradient: tf.Tensor, variable: Any, learning_rate: tf.Tensor
    ) -> None:
        """Takes one step; weights without decay are not scaled."""
        index = self._get_variable_index(variable)
        m, v = self._momentums[index], self._velocities[index]
        self.assign_add(m, (gradient - m) * (1 - self.beta_1))
        self.assign_add(v, (gradient * gradient - v) * (1 - self.beta_2))
        taken = tf.cast(self.iterations + 1, tf.float32)
        mean = m / (1 - tf.pow(self.beta_1, taken))
        square = v / (1 - tf.pow(self.beta_2, taken))
        update = mean / (tf.sqrt(square) + self.epsilon)
        if self.decayed[index]:
            update += self.config.weight_decay * variable
            size, length = tf.norm(variable), tf.norm(update)
            ratio = size / tf.where(length > 0.0, length, 1.0)
            update *= tf.where((size > 0.0) & (length > 0.0), ratio, 1.0)
        self.assign_sub(variable, learning_rate * update)


class Lamb(ReducedGradientOptimizer, _LayerwiseAdam):
    """LAMB (You et al., 2020), with decay inside the ratio as in the paper.

    Keras decays outside of it, and scales biases and norms too.
    """

    decays = False
