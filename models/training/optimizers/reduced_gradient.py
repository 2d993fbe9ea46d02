"""Base class: a Keras optimizer that receives gradients already reduced over replicas.

The step has already added the gradients of all replicas; Keras would add them again,
after clipping. The step also passes the learning rate, which each layer multiplies by
its factor. Weight decay and layers are matched by a weight's path, not its name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from textmill.models.training.optimizers.config import OptimizerConfig

LAYER = re.compile(r"(?:layer|block)_(\d+)")


def matches(variable: keras.Variable, parts: Sequence[str]) -> bool:
    """Returns True if a variable's path contains one of some parts."""
    return any(part in variable.path for part in parts)


class ReducedGradientOptimizer(keras.optimizers.Optimizer):
    """Base class: an update rule of Keras with decay, layer-wise rates and averages.

    Attributes:
        averages: the average of every weight, or empty.
    """

    decays = True
    """True if weight decay is separate from the rule, not part of it."""

    def __init__(self, config: OptimizerConfig, *, averages: bool, **rule: Any) -> None:
        super().__init__(
            learning_rate=lambda: self._learning_rate_input, name="optimizer", **rule
        )
        self.config, self._has_averages = config, averages
        self._learning_rate_input = self._average_decay = tf.zeros([])
        self.averages: list[keras.Variable] = []

    def build(self, variables: list[keras.Variable]) -> None:
        """Creates the state of the rule, and the multiplier of every weight."""
        super().build(variables)
        self.decayed = [
            not matches(v, self.config.weight_decay_exclude) for v in variables
        ]
        self._multipliers = layer_multipliers(variables, self.config.layer_decay)
        if self._has_averages:
            self.averages = self.add_optimizer_variables(variables, "average")
            # Weights that the loss does not depend on keep this value.
            for average, variable in zip(self.averages, variables, strict=True):
                average.assign(variable)

    def step(
        self,
        gradients: list[tf.Tensor],
        variables: list[keras.Variable],
        *,
        learning_rate: tf.Tensor,
        average_decay: tf.Tensor,
    ) -> None:
        """Updates weights and their average."""
        self._learning_rate_input, self._average_decay = learning_rate, average_decay
        self.apply(gradients, variables)

    def update_step(
        self, gradient: tf.Tensor, variable: Any, learning_rate: tf.Tensor
    ) -> None:
        """Decays a weight, updates it by the rule, and updates its average."""
        index = self._get_variable_index(variable)
        learning_rate = learning_rate * self._multipliers[index]
        decay = self.config.weight_decay
        if self.decays and self.decayed[index] and decay:
            self.assign_sub(variable, variable * (decay * learning_rate))
        super().update_step(gradient, variable, learning_rate)
        if self.averages:
            average = self.averages[index]
            self.assign(average, variable + self._average_decay * (average - variable))

    def _apply_weight_decay(self, variables: Any) -> None:
        """Does nothing: ``update_step`` decays weights."""

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars


def layer_multipliers(variables: Sequence[keras.Variable], decay: float) -> list[float]:
    """Returns the factor of the learning rate of each weight.

    The head has 1, the uppermost layer ``decay``, and so on down to the embeddings
    (ULMFiT: Howard and Ruder, 2018; BEiT: Bao et al., 2021).
    """
    numbers = [LAYER.search(v.path) for v in variables]
    depth = 1 + max((int(n[1]) for n in numbers if n), default=-1)
    multipliers = []
    for variable, number in zip(variables, numbers, strict=True):
        below = 0
        if number:
            below = depth - int(number[1])
        elif "embedding" in variable.path:
            below = depth + 1
        multipliers.append(decay**below)
    return multipliers
