"""The loss, rate and time left that progress shows."""

from textmill.models.training.pace import Pace


def test_the_time_left_is_the_median_of_recent_steps():
    pace = Pace()
    assert pace.seconds_per_step is None
    assert pace.seconds_left(10, evaluations=0) is None
    pace.add_seconds(0.2, steps=4)
    pace.add_seconds(30.0, steps=1)
    assert pace.seconds_per_step == 0.05
    assert pace.seconds_left(100, evaluations=3) == 5.0
    pace.add_evaluation(30.0)
    assert pace.seconds_left(100, evaluations=3) == 5.0
    pace.add_evaluation(2.0)
    assert pace.seconds_left(100, evaluations=3) == 11.0
    pace.add_seconds(50.0, steps=500)
    assert pace.seconds_per_step == 0.1


def test_the_loss_is_a_mean_over_recent_steps():
    pace = Pace()
    assert pace.loss is None
    pace.add_losses([8.0, 2.0], [4.0, 1.0])
    assert pace.loss == 2.0
    pace.add_losses([3.0] * 100, [1.0] * 100)
    assert pace.loss == 3.0
