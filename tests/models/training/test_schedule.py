import numpy as np

from textmill.models.training.config import ScheduleConfig
from textmill.models.training.schedule import learning_rates


def rates(steps=10, length=None, positions=None, **knobs):
    knobs = {"steps": steps, "learning_rate": 1.0, **knobs}
    positions = np.arange(float(steps)) if positions is None else np.array(positions)
    config = ScheduleConfig(**knobs)
    return [
        round(float(learning_rate), 4)
        for learning_rate in learning_rates(config, positions, length=length or steps)
    ]


def test_linear_rises_to_the_peak_and_falls_to_its_share():
    result = rates(schedule="linear", warmup=0.2, final_learning_rate=0.2)
    assert result == [0.5, 1.0, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]


def test_cosine_falls_by_half_at_half_time():
    assert rates(schedule="cosine", warmup=0)[5] == 0.5


def test_constant_stays():
    assert rates(schedule="constant", warmup=3) == [0.3333, 0.6667, *[1.0] * 8]


def test_one_cycle_rises_from_a_25th_by_a_cosine():
    result = rates(schedule="one_cycle", warmup=0.5)
    assert result[4] == result[5] == 1.0
    assert 0.04 < result[0] < 0.2
    assert result == [*sorted(result[:5]), *sorted(result[5:], reverse=True)]


def test_wsd_stays_at_the_peak_until_the_last_part():
    result = rates(schedule="wsd", warmup=0.1, cooldown=0.5)
    assert result == [1.0] * 6 + [0.8, 0.6, 0.4, 0.2]


def test_a_budget_is_a_schedule_in_seconds():
    result = rates(
        steps=None,
        budget="100s",
        length=100,
        warmup=0.1,
        positions=[0.0, 5.0, 10.0, 55.0, 100.0],
    )
    assert result == [0.0, 0.5, 1.0, 0.5, 0.0]
