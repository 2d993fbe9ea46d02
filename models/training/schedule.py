"""The schedule: the learning rate of every update.

It follows the position in a run: the number of the step or, under a time budget, the
seconds spent so far. It is computed here, outside the graph, and passed to the step.
"""

from __future__ import annotations

import numpy as np

from textmill.models.training.config import ScheduleConfig

_ONE_CYCLE_START = 1 / 25


def learning_rates(
    config: ScheduleConfig, position: np.ndarray, *, length: float
) -> np.ndarray:
    """Returns learning rates by position, from 0, float32 ``[n]``.

    Args:
        config: the knobs.
        position: steps, or seconds under a budget, before each update.
        length: the whole run, in the same unit.
    """
    warmup = config.warmup * length if config.warmup < 1 else config.warmup
    warmup = warmup if config.budget else round(warmup)
    unit = 0 if config.budget else 1
    rising = np.minimum(1.0, (position + unit) / max(1e-9, warmup))
    done = (position - warmup) / max(1e-9, length - warmup)
    done = np.clip(done, 0.0, 1.0)
    if config.schedule == "one_cycle":
        rising = 1 - (1 - _ONE_CYCLE_START) * _cosine(rising)
    final = config.final_learning_rate
    falling = final + (1 - final) * _left(config, done, position / length)
    share = np.where(position < warmup, rising, falling)
    return (config.learning_rate * share).astype(np.float32)


def _left(config: ScheduleConfig, done: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Returns the remaining share of the decay, 1 to 0."""
    if config.schedule in ("cosine", "one_cycle"):
        return _cosine(done)
    if config.schedule == "linear":
        return 1 - done
    if config.schedule == "wsd":
        return np.clip((1 - whole) / config.cooldown, 0.0, 1.0)
    return np.ones_like(done)


def _cosine(done: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.cos(np.pi * done))
