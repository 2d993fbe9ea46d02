"""Freezing: some weights keep their start, which the rest of the model adapts to."""

from __future__ import annotations

from typing_extensions import override

from textmill.models.errors import ConfigError
from textmill.models.methods.method import Method


class Freeze(Method):
    """Excludes weights from training by parts of their names."""

    @override
    def change_model(self) -> None:
        tensors = self.task.tensors()
        for part in self.config.weights:
            matching = [v for name, v in tensors.items() if part in name]
            if not matching:
                raise ConfigError(
                    f"train.methods.freeze.weights: expected parts of the names of "
                    f"weights, got {part!r}; this model has {', '.join(tensors)}"
                )
            for variable in matching:
                variable.trainable = False
        if not self.task.model.trainable_variables:
            raise ConfigError(
                "train.methods.freeze.weights: expected weights left to train, got "
                f"{', '.join(self.config.weights)}, which match all"
            )
