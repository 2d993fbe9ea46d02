"""Muon: orthogonalized momentum (Jordan et al., 2024), for the matrices inside layers.

KerasHub's attention kernels have three dimensions, with one for the heads; they are
reshaped to matrices. Keras' Muon handles only two dimensions, and so skips attention
kernels.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from textmill.models.training.optimizers.reduced_gradient import (
    LAYER,
    ReducedGradientOptimizer,
    matches,
)

_NO_MATRIX = ("bias", "beta", "gamma", "embedding", "norm")
_ITERATIONS, _COEFFICIENTS = 5, (3.4445, -4.7750, 2.0315)
_RMS = 0.2


def matrix_shape(variable: keras.Variable) -> tuple[int, int] | None:
    """Returns rows and columns of a layer's kernel, or None for any other weight."""
    shape = tuple(variable.shape)
    is_inside = LAYER.search(variable.path)
    if len(shape) not in (2, 3) or not is_inside or matches(variable, _NO_MATRIX):
        return None
    if len(shape) == 2:
        return shape[0], shape[1]
    if "attention_output" in variable.path:
        return shape[0] * shape[1], shape[2]
    return shape[0], shape[1] * shape[2]


def orthogonal(matrix: tf.Tensor) -> tf.Tensor:
    """Returns an approximation of the nearest orthogonal matrix, by Newton-Schulz.

    The quintic iteration of Jordan et al. ends with singular values of 0.7 to 1.2.
    """
    a, b, c = _COEFFICIENTS
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = tf.transpose(matrix) if is_tall else matrix
    x = x / (tf.norm(x) + 1e-7)
    for _ in range(_ITERATIONS):
        square = tf.matmul(x, x, transpose_b=True)
        x = a * x + tf.matmul(b * square + c * tf.matmul(square, square), x)
    return tf.transpose(x) if is_tall else x


class _Orthogonal(keras.optimizers.Adam):
    """The rule: Muon for matrices, Adam for everything else.

    An update has the root mean square of AdamW's, so that one learning rate and one
    decay fit both (Liu et al., 2025).
    """

    def build(self, variables: list[keras.Variable]) -> None:
        """Creates a momentum for all weights, and a second moment for those of Adam."""
        keras.optimizers.Optimizer.build(self, variables)
        self._shapes = [matrix_shape(variable) for variable in variables]
        self._momentums = self.add_optimizer_variables(variables, "momentum")
        self._velocities = [
            None if shape else self.add_variable_from_reference(variable, "velocity")
            for variable, shape in zip(variables, self._shapes, strict=True)
        ]

    def update_step(
        self, gradient: tf.Tensor, variable: Any, learning_rate: tf.Tensor
    ) -> None:
        """Takes one step."""
        index = self._get_variable_index(variable)
        if (shape := self._shapes[index]) is None:
            super().update_step(gradient, variable, learning_rate)
            return
        decay, momentum = self.config.momentum, self._momentums[index]
        self.assign(momentum, decay * momentum + gradient)
        ahead = tf.reshape(gradient + decay * momentum, shape)
        update = _RMS * max(shape) ** 0.5 * orthogonal(ahead)
        self.assign_sub(
            variable, learning_rate * tf.reshape(update, tf.shape(gradient))
        )


class Muon(ReducedGradientOptimizer, _Orthogonal):
    """Muon inside the layers, AdamW for embeddings, heads, norms and biases."""
