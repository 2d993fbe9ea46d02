"""The decay of the average of weights, by update."""

import numpy as np

from textmill.models.training.averaging import average_decays
from textmill.models.training.config import AveragingConfig


def decays(steps, *, position=None, length, **knobs):
    """Returns the decays of some updates, rounded."""
    step = np.array(steps, float)
    position = step if position is None else np.array(position, float)
    config = AveragingConfig(**knobs)
    return average_decays(config, position, step, length=length).round(4).tolist()


def test_ema_begins_as_a_mean_and_ends_at_its_decay():
    result = decays([0, 10, 90, 1000], length=1000, average="ema", average_decay=0.95)
    assert np.allclose(result, [0.0, 0.5, 0.9, 0.95])


def test_swa_is_the_mean_of_the_last_part():
    result = decays(range(6), length=6, average="swa", average_from=0.5)
    assert np.allclose(result, [0.0, 0.0, 0.0, 0.0, 1 / 2, 2 / 3], atol=1e-4)


def test_swa_under_a_budget_counts_steps_by_their_mean_time():
    result = decays(
        [5, 8, 10], position=[50, 80, 100], length=100, average="swa", average_from=0.5
    )
    assert np.allclose(result, [0.0, 3 / 4, 5 / 6], atol=1e-4)
