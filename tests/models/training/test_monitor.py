"""What a run shows: events, progress for programs, and nothing that changes it."""

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.models.training.runs import finish, make_rows, make_run
from textmill.models.errors import Preempted
from textmill.models.inference import sample_rows
from textmill.models.training.checkpoint import Checkpoints
from textmill.models.training.config import ProfileWindowConfig
from textmill.models.training.monitor import TrainingMonitor
from textmill.models.training.tensorboard import Events

TIMES = {"tokens_per_second", "input_wait", "goodput", "memory_gib", "mfu"}


class Entries:
    """A tokenizer of entries that are numbers."""

    tokens = [f"t{i}" for i in range(40)]  # noqa: RUF012

    def detokenize(self, ids):
        return tf.strings.reduce_join(tf.strings.as_string(ids), 1, separator=" ")


def read(folder):
    return [json.loads(line) for line in (folder / "progress.jsonl").open()]


def make_monitor(folder, **knobs):
    return TrainingMonitor(
        folder / "events", flops=lambda length: 1e6 * length, **knobs
    )


def test_scalars_go_to_events_and_to_lines_and_change_nothing(tmp_path):
    plain, run = make_run(tmp_path), make_run(tmp_path)
    wanted = finish(plain)
    found = finish(run, monitor=make_monitor(tmp_path, samples=lambda task: "**text**"))
    assert all(np.array_equal(a, b) for a, b in zip(wanted, found, strict=True))
    assert run.history == plain.history
    lines = read(tmp_path)
    times = {p["name"] for p in lines if p["name"].startswith("time/")}
    assert times == {f"time/{name}" for name in TIMES}
    assert [p for p in lines if not p["name"].startswith("time/")] == run.history
    shares = [p["value"] for p in lines if p["name"] in ("time/input_wait", "time/mfu")]
    assert all(0.0 <= share < 1.0 for share in shares)
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    assert {p["name"] for p in lines} <= set(events.Tags()["tensors"])
    assert "samples" in events.Tags()["tensors"]
    histograms = {n for n in events.Tags()["tensors"] if n.startswith("weights/")}
    assert len(histograms) > 10


def test_a_resumed_run_shows_every_point_once(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c", key="x")
    with pytest.raises(Preempted):
        finish(make_run(tmp_path), checkpoints, 13, monitor=make_monitor(tmp_path))
    run = make_run(tmp_path)
    checkpoints = Checkpoints(tmp_path / "c", key="x")
    finish(run, checkpoints, monitor=make_monitor(tmp_path))
    lines = read(tmp_path)
    assert [p for p in lines if not p["name"].startswith("time/")] == run.history
    seen = [(p["step"], p["name"]) for p in lines]
    assert len(seen) == len(set(seen))


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    run = make_run(tmp_path)
    finish(run, monitor=make_monitor(tmp_path / "file"))
    assert run.step == 24
    out = capsys.readouterr().out
    assert "TensorBoard events are not written" in out
    assert "progress.jsonl is not written" in out


def test_weights_that_hardly_differ_have_a_histogram(tmp_path):
    events = Events(tmp_path)
    next_to_one = np.nextafter(np.float32(1), np.float32(2))
    events.histogram("scale", np.array([1, 1, next_to_one, np.nan], np.float32), 1)
    events.close()
    read_back = EventAccumulator(str(tmp_path))
    read_back.Reload()
    [event] = read_back.Tensors("scale")
    counts = tf.make_ndarray(event.tensor_proto)[:, 2].tolist()
    assert (counts[0], counts[-1], sum(counts)) == (2, 1, 3)


def test_the_profiler_looks_at_its_window(tmp_path):
    window = ProfileWindowConfig(first=6, steps=3)
    run = make_run(tmp_path, steps=12, profile=window, eval_rows=False)
    finish(run, monitor=make_monitor(tmp_path, profile=window))
    assert list((tmp_path / "events" / "plugins" / "profile").rglob("*.xplane.pb"))


@pytest.mark.parametrize(("family", "words"), [("bert", "**t"), ("gpt", "**")])
def test_samples_show_outputs_for_three_rows(family, words, tmp_path):
    run = make_run(tmp_path, family=family)
    rows = make_rows(tmp_path, length=8 + (family == "gpt"))
    text = sample_rows(run.task, rows, Entries())
    assert len(text.split("\n\n")) == 3
    assert all(words in part for part in text.split("\n\n"))
