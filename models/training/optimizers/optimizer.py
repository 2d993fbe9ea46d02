"""Builds an optimizer by name, with Keras' rules where they are correct."""

from __future__ import annotations

from typing import Any

import keras

from textmill.models.training.optimizers.adafactor import Adafactor
from textmill.models.training.optimizers.config import OptimizerConfig
from textmill.models.training.optimizers.lamb import Lamb
from textmill.models.training.optimizers.muon import Muon
from textmill.models.training.optimizers.reduced_gradient import (
    ReducedGradientOptimizer,
)


class AdamW(ReducedGradientOptimizer, keras.optimizers.Adam):
    """AdamW (Loshchilov and Hutter, 2019)."""


class Lion(ReducedGradientOptimizer, keras.optimizers.Lion):
    """Lion (Chen et al., 2023)."""


class Sgd(ReducedGradientOptimizer, keras.optimizers.SGD):
    """Stochastic gradient descent with Nesterov's momentum."""


def make_optimizer(
    model: keras.Model, config: OptimizerConfig, *, averages: bool = False
) -> ReducedGradientOptimizer:
    """Returns the optimizer with its variables.

    Args:
        model: the model, whose trainable weights it updates.
        config: the update rule.
        averages: also average the weights.
    """
    adam = {
        "beta_1": config.beta_1,
        "beta_2": config.beta_2,
        "epsilon": config.epsilon,
    }
    rules: dict[str, tuple[type[ReducedGradientOptimizer], dict[str, Any]]] = {
        "adamw": (AdamW, adam),
        "lamb": (Lamb, adam),
        "adafactor": (Adafactor, {}),
        "lion": (Lion, {"beta_1": config.beta_1, "beta_2": config.beta_2}),
        "sgd": (Sgd, {"momentum": config.momentum, "nesterov": config.momentum > 0}),
        "muon": (Muon, adam),
    }
    kind, rule = rules[config.optimizer]
    optimizer = kind(config, averages=averages, **rule)
    optimizer.build(model.trainable_variables)
    return optimizer
