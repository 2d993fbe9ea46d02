"""The learning rate by step: a linear warm-up, then a fall to the final rate."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from models.training.config import TrainingConfig


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Rises over ``warmup`` steps, then falls linearly, by cosine, or not at all."""

    def __init__(self, config: TrainingConfig, *, num_steps: int) -> None:
        self._config, self._num_steps = config, num_steps
        warmup = config.warmup
        self._warmup = round(warmup * num_steps) if warmup < 1 else round(warmup)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the rate of update ``step`` (the first is 0), float32."""
        config = self._config
        step = tf.cast(step, tf.float32)
        rising = (step + 1) / max(1, self._warmup)
        done = (step - self._warmup) / max(1, self._num_steps - self._warmup)
        done = tf.clip_by_value(done, 0.0, 1.0)
        if config.schedule == "cosine":
            left = 0.5 * (1 + tf.cos(math.pi * done))
        elif config.schedule == "linear":
            left = 1 - done
        else:
            left = tf.ones_like(done)
        final = config.final_learning_rate
        falling = final + (1 - final) * left
        share = tf.where(step < self._warmup, rising, falling)
        return config.learning_rate * share

    def get_config(self) -> dict[str, object]:
        """Required by Keras; optimizers are never saved as configs here."""
        return {}
