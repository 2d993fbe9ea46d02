import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from models.families import ModelConfig
from models.faults import Diverged, Preempted
from models.rows import RowReader, RowSchema, frame_rows
from models.tasks import CausalLM, MaskedLM
from models.tokenization import Specials
from models.training.checkpoint import Checkpoints
from models.training.config import TrainingConfig
from models.training.loop import TrainingRun

SPECIALS = Specials(pad=0, unknown=1, start=2, end=3, mask=4)
ROOT = Path(__file__).parents[3]


def make_rows(folder: Path, *, length: int) -> RowReader:
    generator = np.random.default_rng(1)
    schema = RowSchema(length, wide=False, labelled=False)
    rows = np.zeros(50, schema.dtype)
    rows["ids"] = generator.integers(5, 40, (50, length))
    rows["length"] = generator.integers(4, length + 1, 50)
    (folder / "rows").write_bytes(frame_rows(schema, rows))
    return RowReader([folder / "rows"], schema)


def make_run(folder, *, family="bert", strategy=None, dropout=0.1, **knobs):
    shape = ModelConfig(
        family=family, layers=1, width=16, heads=2, sequence_length=8, dropout=dropout
    )
    task = {"bert": MaskedLM, "gpt": CausalLM}[family]
    knobs = {"steps": 24, "global_batch": 8, "learning_rate": 0.01, **knobs}
    knobs = {"xla": family == "bert", **knobs}
    knobs = {"log_every": 5, "checkpoint_every": 4, "eval_every": 12, **knobs}
    rows = make_rows(folder, length=8 + (family == "gpt"))
    return TrainingRun(
        lambda: task(shape, vocabulary_size=40, specials=SPECIALS, seed=5),
        rows=rows,
        eval_rows=rows,
        config=TrainingConfig(**knobs),
        seed=5,
        strategy=strategy or tf.distribute.get_strategy(),
    )


def finish(run, checkpoints=None, stop_after=None):
    run.run(
        checkpoints=checkpoints,
        report=lambda event: None,
        should_stop=lambda: stop_after is not None and run.step >= stop_after,
    )
    return [v.numpy() for v in run.task.tensors().values()]


@pytest.mark.parametrize("family", ["bert", "gpt"])
def test_a_stopped_run_ends_with_the_bits_of_an_uninterrupted_one(family, tmp_path):
    whole = make_run(tmp_path, family=family)
    wanted = finish(whole)
    for stop in (3, 13):
        checkpoints = Checkpoints(tmp_path / "c", fingerprint="x")
        with pytest.raises(Preempted):
            finish(make_run(tmp_path, family=family), checkpoints, stop_after=stop)
    resumed = make_run(tmp_path, family=family)
    found = finish(resumed, Checkpoints(tmp_path / "c", fingerprint="x"))
    assert all(np.array_equal(a, b) for a, b in zip(wanted, found, strict=True))
    assert resumed.history == whole.history


def test_the_curves_have_their_points(tmp_path):
    run = make_run(tmp_path)
    finish(run)
    steps = [p["step"] for p in run.history if p["name"] == "train/loss"]
    assert steps == [5, 10, 15, 20, 24]
    assert [p["step"] for p in run.history if p["name"] == "eval/loss"] == [12, 24]


def test_a_run_that_diverges_stops_with_the_step(tmp_path):
    with pytest.raises(Diverged, match=r"step \d+: the loss is"):
        finish(make_run(tmp_path, learning_rate=1e30, clip_norm=0.0))


REPLICAS = """
import json, sys
from pathlib import Path
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
sys.path.insert(0, "tests/models/training")
from test_loop import finish, make_run
from models.training.strategy import make_strategy
folder = Path(sys.argv[1])
knobs = dict(dropout=0.0, steps=20, clip_norm=0.5, weight_decay=0.1, xla=False)
# At 1e-8, rounding decides the updates of gradients that should be 0.
knobs |= dict(learning_rate=1e-3, epsilon=1e-6)
one = finish(make_run(folder, **knobs))
two = finish(make_run(folder, strategy=make_strategy("mirrored"), **knobs))
print(json.dumps([float(abs(a - b).max()) for a, b in zip(one, two)]))
"""


def test_two_replicas_give_the_update_of_one(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", REPLICAS, str(tmp_path)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": ""},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    differences = json.loads(done.stdout.splitlines()[-1])
    assert len(differences) > 10
    assert max(differences) < 1e-6
