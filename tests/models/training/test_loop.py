"""The loop: what it keeps, when it stops, and what it does about faults."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models.training.runs import SPECIALS, finish, make_run, weights
from textmill.models.config import ModelConfig
from textmill.models.errors import ConfigError, Diverged, Preempted
from textmill.models.rows import RowReader, RowSchema, frame_rows
from textmill.models.tasks.classify import Classify
from textmill.models.training.checkpoint import Checkpoints
from textmill.models.training.config import BatchConfig, TrainingConfig
from textmill.models.training.loop import TrainingRun
from textmill.models.training.sampler import Sampler

SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("family", "xla"),
    [
        ("bert", False),
        pytest.param("gpt", False, marks=SLOW),
        pytest.param("bert", True, marks=SLOW),
    ],
)
def test_a_stopped_run_ends_with_the_bits_of_an_uninterrupted_one(
    family, xla, tmp_path
):
    knobs = {"family": family, "xla": xla}
    whole = make_run(tmp_path, **knobs)
    wanted = finish(whole)
    for stop in (3, 13):
        checkpoints = Checkpoints(tmp_path / "c", key="x")
        with pytest.raises(Preempted):
            finish(make_run(tmp_path, **knobs), checkpoints, stop_after=stop)
    resumed = make_run(tmp_path, **knobs)
    found = finish(resumed, Checkpoints(tmp_path / "c", key="x"))
    assert all(np.array_equal(a, b) for a, b in zip(wanted, found, strict=True))
    assert resumed.history == whole.history


def test_a_warm_up_longer_than_the_epochs_is_refused(tmp_path):
    knobs = {"epochs": 1.0, "warmup": 500.0}
    with pytest.raises(ConfigError, match=r"warmup below steps, got 500 of .* epochs"):
        make_run(tmp_path, **knobs)


def test_the_curves_have_their_points(tmp_path):
    run = make_run(tmp_path)
    finish(run)
    steps = [p["step"] for p in run.history if p["name"] == "train/loss"]
    assert steps == [5, 10, 15, 20, 24]
    assert [p["step"] for p in run.history if p["name"] == "eval/loss"] == [12, 24]


def test_progress_has_the_phases_and_no_time_left_while_compiling(tmp_path):
    events = []

    def train(checkpoints, stop_after):
        run = make_run(tmp_path, steps=8, eval_every=4)
        run.run(
            checkpoints=checkpoints,
            report=events.append,
            should_stop=lambda: run.step >= stop_after,
        )

    with pytest.raises(Preempted):
        train(Checkpoints(tmp_path / "c", key="x"), 5)
    phases = [event["phase"] for event in events if "phase" in event]
    assert phases[:4] == ["starting", "compiling", "evaluating", "saving step 4"]
    steps = [event for event in events if "step" in event]
    assert (steps[0]["rate"], steps[0]["seconds_left"]) == (None, None)
    assert steps[-1]["step"] >= 5
    assert steps[-1]["seconds_left"] > 0
    reached = steps[-1]["step"]
    events.clear()
    train(Checkpoints(tmp_path / "c", key="x"), 9)
    assert events[0] == {"phase": "starting", "resumed": reached}


def test_batches_of_several_widths_are_compiled_one_by_one(tmp_path):
    run = make_run(tmp_path, length_buckets=True, sequence_length=64, eval_rows=False)
    phases = []
    run.run(
        checkpoints=None,
        report=lambda event: phases.append(event.get("phase")),
        should_stop=lambda: False,
    )
    compiling = [phase for phase in phases if phase and "compiling" in phase]
    assert compiling == ["compiling 1 of 2", "compiling 2 of 2"]


def test_tokens_weigh_the_same_with_and_without_length_buckets(tmp_path):
    # At a small rate, the updates of an epoch add up to the one of all its rows.
    knobs = {
        "optimizer": "sgd",
        "momentum": 0.0,
        "weight_decay": 0.0,
        "clip_norm": 0.0,
        "schedule": "constant",
        "warmup": 0.0,
        "dropout": 0.0,
        "sequence_length": 128,
        "eval_rows": False,
    }
    buckets = {"length_buckets": True, "global_batch": 5, "learning_rate": 1e-4}
    changes = []
    for own in (
        {"steps": 10, **buckets},
        {"steps": 1, "global_batch": 50, "learning_rate": 1e-3},
    ):
        run = make_run(tmp_path, **knobs, **own)
        before = np.concatenate([w.reshape(-1) for w in weights(run)])
        after = np.concatenate([w.reshape(-1) for w in finish(run)])
        changes.append(after - before)
    one_by_one, at_once = changes
    error = np.linalg.norm(one_by_one - at_once) / np.linalg.norm(at_once)
    assert error < 0.01


def test_a_run_that_diverges_stops_with_the_step(tmp_path):
    with pytest.raises(Diverged, match=r"step \d+: the loss is"):
        finish(make_run(tmp_path, learning_rate=1e30, clip_norm=0.0))


def test_a_batch_that_cannot_be_shared_is_a_sentence(tmp_path):
    with pytest.raises(
        ConfigError, match=r"global_batch: expected a multiple of 3 \(1"
    ):
        make_run(tmp_path, accumulate=3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("knobs", "num_steps"),
    [
        ({"initial_batch": 2, "batch_ramp": 8, "epochs": 2}, 8 + 10),
        ({"length_buckets": True, "sequence_length": 64, "epochs": 2}, 13),
    ],
)
def test_batches_of_several_shapes_give_the_same_bits_after_a_stop(
    knobs, num_steps, tmp_path
):
    run = make_run(tmp_path, eval_rows=False, **knobs)
    assert run.num_steps == num_steps
    grown = finish(run)
    stopped = make_run(tmp_path, eval_rows=False, **knobs)
    checkpoints = Checkpoints(tmp_path / "c", key="x")
    with pytest.raises(Preempted):
        finish(stopped, checkpoints, stop_after=7)
    resumed = make_run(tmp_path, eval_rows=False, **knobs)
    again = finish(resumed, Checkpoints(tmp_path / "c", key="x"))
    assert all(np.array_equal(a, b) for a, b in zip(grown, again, strict=True))


def points(run, name):
    return {p["step"]: p["value"] for p in run.history if p["name"] == name}


def test_training_ends_early_and_keeps_the_best(tmp_path):
    knobs = {"eval_every": 2, "learning_rate": 0.3, "schedule": "constant"}
    run = make_run(tmp_path, best_metric="loss", patience=2, **knobs)
    finish(run)
    losses = points(run, "eval/loss")
    best = min(losses, key=losses.get)
    assert run.step == best + 4 < 24
    assert run.evaluate()["loss"] == losses[best]


@pytest.mark.slow
def test_a_run_stopped_before_an_early_end_ends_alike(tmp_path):
    knobs = {"eval_every": 2, "learning_rate": 0.3, "schedule": "constant"}
    knobs |= {"best_metric": "loss", "patience": 2}
    whole = make_run(tmp_path, **knobs)
    wanted = finish(whole)
    checkpoints = Checkpoints(tmp_path / "c", key="x")
    with pytest.raises(Preempted):
        finish(make_run(tmp_path, **knobs), checkpoints, stop_after=whole.step - 2)
    resumed = make_run(tmp_path, **knobs)
    found = finish(resumed, Checkpoints(tmp_path / "c", key="x"))
    assert resumed.history == whole.history
    assert all(np.array_equal(a, b) for a, b in zip(wanted, found, strict=True))


def test_best_needs_eval_rows(tmp_path):
    with pytest.raises(
        ConfigError, match=r"train\.best_metric: expected an eval split"
    ):
        make_run(tmp_path, best_metric="loss", eval_rows=False)


@pytest.mark.parametrize("average", ["ema", "swa"])
def test_an_average_is_that_of_the_weights_on_the_way(average, tmp_path):
    knobs = {"steps": 8, "average_from": 0.5, "eval_rows": False, "average_decay": 0.5}
    run = make_run(tmp_path, average=average, **knobs)
    seen = []
    for step in range(8):
        run.advance(step + 1)
        seen.append([v.numpy() for v in run.task.tensors().values() if v.trainable])
    found = finish(run)
    trainable = [v.trainable for v in run.task.tensors().values()]
    found = [value for value, real in zip(found, trainable, strict=True) if real]
    keeps = [0, 1 / 11, 2 / 12, 3 / 13, 4 / 14, 5 / 15, 6 / 16, 7 / 17]
    if average == "swa":
        keeps = [0, 0, 0, 0, 0, 1 / 2, 2 / 3, 3 / 4]
    mean = seen[0]
    for keep, values in zip(keeps, seen, strict=True):
        mean = [v + keep * (m - v) for m, v in zip(mean, values, strict=True)]
    for a, b in zip(mean, found, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_budget_ends_the_run_and_outlives_a_restart(tmp_path):
    knobs = {"budget": "8s", "eval_rows": False, "log_every": 1}
    checkpoints = Checkpoints(tmp_path / "c", key="x")
    with pytest.raises(Preempted):
        finish(make_run(tmp_path, **knobs), checkpoints, stop_after=1)
    spent = Checkpoints(tmp_path / "c", key="x").restore().state["seconds"]
    run = make_run(tmp_path, **knobs)
    finish(run, Checkpoints(tmp_path / "c", key="x"))
    assert run.state.seconds >= 8.0 > spent > 0.0
    rates = list(points(run, "train/learning_rate").values())
    assert rates == [*sorted(rates[: (i := int(np.argmax(rates)))]), *rates[i:]]


def test_float16_leaves_overflows_out_and_learns(tmp_path):
    run = make_run(tmp_path, precision="mixed_float16", steps=40)
    assert run.task.backbone.layers[-1].compute_dtype == "float16"
    finish(run)
    losses = list(points(run, "train/loss").values())
    assert losses[-1] < losses[0]
    scales = list(points(run, "train/loss_scale").values())  # means of five steps
    assert scales[0] > scales[-1] in {2.0**n for n in range(15)}


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_run_computes_in_the_configured_precision(precision, tmp_path):
    run = make_run(tmp_path, precision=precision, steps=40)
    dtype = precision.removeprefix("mixed_")
    assert {layer.compute_dtype for layer in run.task.backbone.layers} == {dtype}
    assert {v.dtype for v in run.task.model.trainable_variables} == {"float32"}
    finish(run)
    losses = list(points(run, "train/loss").values())
    assert losses[-1] < losses[0]


def make_poisoned_run(folder, **knobs):
    """An lstm classifier to which token 39, in the last row alone, is infinity."""
    schema = RowSchema(8, wide=False, target="label")
    rows = np.zeros(20, schema.dtype)
    rows["ids"] = np.random.default_rng(2).integers(5, 39, (20, 8))
    rows["ids"][19, 3], rows["length"] = 39, 8
    rows["label"] = rows["ids"][:, 0] % 2
    (folder / "rows").write_bytes(frame_rows(schema, rows))

    def make_task():
        shape = ModelConfig(family="lstm", layers=1, width=8, sequence_length=8)
        task = Classify(shape, vocabulary_size=40, specials=SPECIALS, num_labels=2)
        [table] = [v for v in task.model.weights if v.shape == (40, 8)]
        table.assign(np.where(np.arange(40)[:, None] == 39, np.inf, table.numpy()))
        return task

    return TrainingRun(
        make_task,
        rows=RowReader([folder / "rows"], schema),
        eval_rows=None,
        config=TrainingConfig(
            **{"steps": 12, "global_batch": 5, "checkpoint_every": 2, **knobs}
        ),
        seed=5,
        strategy=tf.distribute.get_strategy(),
    )


def test_a_rollback_leaves_out_the_steps_with_the_row_that_breaks_them(tmp_path):
    run = make_poisoned_run(tmp_path, on_nan="rollback")
    found = finish(run)
    rows, _ = Sampler(20, BatchConfig(global_batch=5), seed=5).rows(0, 12)
    assert run.state.skipped == np.flatnonzero((rows == 19).any(1)).tolist()
    assert len(run.state.skipped) == 3
    assert all(np.isfinite(value).all() for value in found if value.shape != (40, 8))
    stopped = make_poisoned_run(tmp_path, on_nan="rollback")
    with pytest.raises(Preempted):
        finish(stopped, Checkpoints(tmp_path / "c", key="x"), stop_after=7)
    resumed = make_poisoned_run(tmp_path, on_nan="rollback")
    again = finish(resumed, Checkpoints(tmp_path / "c", key="x"))
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))


def test_rollbacks_have_a_limit(tmp_path):
    run = make_poisoned_run(tmp_path, on_nan="rollback", max_rollbacks=2)
    with pytest.raises(Diverged):
        finish(run)
