"""The averages of weights: the decay of the average at every update."""

from __future__ import annotations

import numpy as np

from textmill.models.training.config import AveragingConfig


def average_decays(
    config: AveragingConfig, position: np.ndarray, step: np.ndarray, *, length: float
) -> np.ndarray:
    """Returns the decay of the average at every update, float32 ``[n]``.

    An exponential moving average starts as a plain mean, so the first weights soon
    lose their influence. ``position`` and ``length`` are those of ``learning_rates``.
    """
    if config.average != "swa":
        return np.minimum(config.average_decay, step / (step + 10)).astype(np.float32)
    # Counted in steps, which a run with a budget takes at about equal distances.
    since = np.maximum(0.0, position - config.average_from * length)
    position_per_step = np.maximum(position, 1.0) / np.maximum(step, 1.0)
    num_averaged = np.floor(since / position_per_step)
    return (num_averaged / (num_averaged + 1)).astype(np.float32)
