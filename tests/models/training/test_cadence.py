"""The default number of points and evaluations, and the windows of the points."""

import pytest

from textmill.models.training.cadence import Cadence
from textmill.models.training.config import TrainingConfig
from textmill.models.training.state import RunState


def marks(mark, num_steps, *, eval_rows=10, **knobs):
    """Returns the steps before the last at which a mark is due."""
    config = TrainingConfig(steps=num_steps, global_batch=10, **knobs)
    cadence = Cadence(config, num_steps=num_steps, num_eval_rows=eval_rows)
    steps = range(num_steps)
    return [step for step in steps if cadence.is_due(mark, RunState(step=step))]


@pytest.mark.parametrize(
    ("num_steps", "num_points"), [(5, 5), (67, 67), (200, 50), (2500, 50), (9000, 180)]
)
def test_a_run_has_about_fifty_points_or_more(num_steps, num_points):
    assert len(marks("point", num_steps)) + 1 == num_points


def test_a_short_rest_of_the_run_belongs_to_the_last_point():
    assert marks("point", 61, log_every=20) == [20, 40]
    assert marks("point", 70, log_every=20) == [20, 40, 60]


def test_a_run_has_ten_evaluations_unless_they_cost_more_than_a_tenth_of_it():
    assert marks("evaluation", 100) == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    # 60 rows forward are a tenth of 20 steps of 10 rows, three passes each.
    assert marks("evaluation", 100, eval_rows=60) == [20, 40, 60, 80]
    assert marks("evaluation", 100, eval_rows=10_000) == []
    assert marks("evaluation", 100, eval_rows=10_000, eval_every=40) == [40, 80]


def test_under_a_budget_time_decides():
    config = TrainingConfig(budget="100s", global_batch=10)
    cadence = Cadence(config, num_steps=None, num_eval_rows=60)
    state = RunState(step=30, seconds=50.0, evaluated=9, window={"steps": 3})
    state.marked = {"point": 48.0, "evaluation": 40.0}
    assert cadence.is_due("point", state)
    assert cadence.is_due("evaluation", state)
    assert not cadence.is_short(state)
    state.marked = {"point": 49.5, "evaluation": 41.0}
    assert not cadence.is_due("point", state)
    assert not cadence.is_due("evaluation", state)
    assert cadence.is_short(state)
    state.marked, state.evaluated = {"evaluation": 40.0}, 11
    assert not cadence.is_due("evaluation", state)


def test_the_evaluations_to_come_include_the_last_step():
    config = TrainingConfig(steps=67, global_batch=10)
    cadence = Cadence(config, num_steps=67, num_eval_rows=10)
    assert [cadence.evaluations_left(step) for step in (0, 7, 66)] == [10, 9, 1]
