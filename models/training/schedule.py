"""The schedule: the learning rate and the averaging of every update.

Both follow the position in a run: the number of the step or, under a time budget, the
seconds spent so far. They are computed here, outside the graph, and passed to the step.
"""

from __future__ import annotations

import numpy as np

from textmill.models.training.config import TrainingConfig

_ONE_CYCLE_START = 1 / 25


class Schedule:
    """Learning rates and averages by position.

    Args:
        config: the knobs.
        length: the whole run, in steps, or in seconds under a budget.
    """

    def __init__(self, config: TrainingConfig, *, length: float) -> None:
        self._config, self._length = config, length
        self._unit = 0 if config.budget else 1
        warmup = config.warmup * length if config.warmup < 1 else config.warmup
        self._warmup = warmup if config.budget else round(warmup)

    def learning_rates(self, position: np.ndarray) -> np.ndarray:
        """Returns learning rates by position, from 0, float32 ``[n]``."""
        config = self._config
        rising = np.minimum(1.0, (position + self._unit) / max(1e-9, self._warmup))
        done = (position - self._warmup) / max(1e-9, self._length - self._warmup)
        done = np.clip(done, 0.0, 1.0)
        if config.schedule == "one_cycle":
            rising = 1 - (1 - _ONE_CYCLE_START) * _cosine(rising)
        final = config.final_learning_rate
        falling = final + (1 - final) * self._left(done, position / self._length)
        share = np.where(position < self._warmup, rising, falling)
        return (config.learning_rate * share).astype(np.float32)

    def _left(self, done: np.ndarray, whole: np.ndarray) -> np.ndarray:
        """Returns the remaining share of the decay, 1 to 0."""
        kind, cooldown = self._config.schedule, self._config.cooldown
        if kind in ("cosine", "one_cycle"):
            return _cosine(done)
        if kind == "linear":
            return 1 - done
        if kind == "wsd":
            return np.clip((1 - whole) / cooldown, 0.0, 1.0)
        return np.ones_like(done)

    def average_decays(self, position: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Returns the decay of the weight average at every update, float32.

        An average that forgets begins as a plain mean, so that the first weights do
        not count for long.
        """
        config = self._config
        if config.average == "swa":
            first = config.average_from * self._length
            # Counted in steps: a run under a budget takes them as evenly as it can.
            since = np.maximum(0.0, position - first)
            seconds_per_step = np.maximum(position, 1.0) / np.maximum(step, 1.0)
            kept = np.floor(since / seconds_per_step)
            return (kept / (kept + 1)).astype(np.float32)
        return np.minimum(config.average_decay, step / (step + 10)).astype(np.float32)


def _cosine(done: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.cos(np.pi * done))
