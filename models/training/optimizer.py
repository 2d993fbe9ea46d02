"""The optimizer: AdamW (Loshchilov and Hutter, 2019) on gradients already summed."""

from __future__ import annotations

from typing import Any

import keras

from models.training.config import TrainingConfig
from models.training.schedule import Schedule

_NOT_DECAYED = ("bias", "beta", "gamma", "embedding", "norm")


class _SummedAdamW(keras.optimizers.AdamW):
    """AdamW that leaves gradients alone: the step has added those of all replicas.

    Keras would add them again, after clipping, and double the update of two replicas.
    """

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars


def make_optimizer(
    model: keras.Model, schedule: Schedule, config: TrainingConfig
) -> keras.optimizers.Optimizer:
    """Returns the optimizer with its variables; biases, norms, embeddings keep size."""
    optimizer = _SummedAdamW(
        learning_rate=schedule,
        weight_decay=config.weight_decay,
        beta_1=config.beta_1,
        beta_2=config.beta_2,
        epsilon=config.epsilon,
        name="adamw",
    )
    optimizer.exclude_from_weight_decay(var_names=list(_NOT_DECAYED))
    optimizer.build(model.trainable_variables)
    return optimizer
