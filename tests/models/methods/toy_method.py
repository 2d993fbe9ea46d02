"""A toy training method that uses all four hooks; installed as a plug-in by tests."""

from dataclasses import dataclass

import keras

from textmill.models.methods import MethodRow
from textmill.models.methods.method import Method


@dataclass(frozen=True, kw_only=True)
class PullConfig:
    """Knobs of the toy method."""

    strength: float = 0.5


class Pull(Method):
    """Pulls weights to zero, halves gradients, and counts updates."""

    def change_model(self):
        self.count = keras.Variable(0.0, trainable=False, name="count")
        self.variables = [self.count]

    def change_loss(self, loss, sums, features):
        squares = sum(keras.ops.sum(v * v) for v in self.task.model.trainable_variables)
        # The step divides by the weight of all rows.
        return loss + self.config.strength * sums["weight"] * squares

    def change_gradients(self, gradients, variables):
        return [gradient / 2 for gradient in gradients]

    def after_update(self, number):
        self.count.assign_add(1.0)
        weight = self.task.model.trainable_variables[0]
        weight.assign(weight * (1 - 0.01 / self.count))


ROW = MethodRow(path=f"{__name__}:Pull", config=PullConfig)
