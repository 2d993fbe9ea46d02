"""The knobs of training: every slice has its checks, in YAML they are flat."""

import pytest

from textmill.models.training.config import TrainingConfig, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("20m", 1200), ("90s", 90), ("1h30m", 5400), ("2h", 7200)]
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "20", "m", "0s", "1.5h", "20 m"])
def test_other_texts_are_no_durations(text):
    with pytest.raises(ValueError, match="a time such as 20m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"steps": 1, "budget": "1m"}, "one of steps, epochs and budget, got steps an"),
        ({}, "one of steps, epochs and budget, got none"),
        ({"budget": "1m", "warmup": 100}, "warmup below 1 with budget, got 100"),
        (
            {"steps": 1, "initial_batch": 4},
            "both or neither of initial_batch and batch_ra",
        ),
        (
            {"steps": 9, "initial_batch": 3, "batch_ramp": 5},
            "initial_batch that doubles to global_batch 32, got 3",
        ),
        (
            {"steps": 9, "initial_batch": 4, "batch_ramp": 2},
            "batch_ramp of a step per doubling or more, got 2",
        ),
        ({"steps": 1, "accumulate": 0}, "accumulate of 1 or more, got 0"),
        ({"steps": 1, "patience": 0}, "patience of 1 or more, got 0"),
        ({"steps": 1, "patience": 2}, "eval_every with patience, got none"),
        ({"steps": 1, "learning_rate": -1.0}, "learning_rate of 0 or more, got -1.0"),
        (
            {"steps": 1, "learning_rate": float("nan")},
            "learning_rate of 0 or more, got nan",
        ),
        ({"steps": 1, "clip_norm": -1.0}, "clip_norm of 0 or more, got -1.0"),
        ({"steps": 1, "weight_decay": -5.0}, "weight_decay of 0 or more, got -5.0"),
        ({"steps": 1, "beta_1": 1.5}, "beta_1 below 1, got 1.5"),
        ({"steps": 1, "epsilon": 0.0}, "epsilon above 0, got 0.0"),
        ({"steps": 1, "max_rollbacks": -1}, "max_rollbacks of 0 or more, got -1"),
        ({"steps": 20, "warmup": 500}, "warmup below steps, got 500 of 20"),
        (
            {"steps": 20, "schedule": "wsd", "warmup": 10, "cooldown": 0.75},
            "warmup and cooldown of 1 or less together for wsd, got 0.5 and 0.75",
        ),
        ({"steps": 1, "log_every": 0}, "log_every of 1 or more, got 0"),
        ({"steps": 1, "momentum": 1.0}, "momentum below 1, got 1.0"),
        ({"steps": 1, "average_from": -0.5}, "average_from of 0 or more, got -0.5"),
        ({"steps": 1, "cooldown": 0.0}, "cooldown above 0, got 0.0"),
        ({"steps": 1, "layer_decay": 0.0}, "layer_decay above 0, got 0.0"),
        ({"steps": 1, "dropout": 1.0}, "dropout below 1, got 1.0"),
        ({"epochs": 0.0}, "epochs above 0, got 0.0"),
    ],
)
def test_knobs_that_do_not_fit_are_a_sentence(knobs, words):
    with pytest.raises(ValueError, match=words):
        TrainingConfig(**knobs)


def test_former_keys_name_their_successors():
    renamed = {}
    for config_slice in TrainingConfig.__bases__:
        renamed |= getattr(config_slice, "RENAMED", {})
    for former, name in renamed.items():
        assert not hasattr(TrainingConfig, former)
        assert hasattr(TrainingConfig, name)
    assert len(renamed) == 3
