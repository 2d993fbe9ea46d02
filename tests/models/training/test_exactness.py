"""Killed and stopped runs end with the bits of uninterrupted ones, dropout included."""

import json
import os
import subprocess
import sys

import pytest

from tests.models.training.runs import ROOT, finish, make_run
from textmill.models.training.checkpoint import Checkpoints

SOURCES = str(ROOT / ".ci/typing")
SLOW = pytest.mark.slow


def interrupted(folder, family, how, seed=7):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.models.training.killed"),
            *(folder, family, str(how), str(seed)),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": SOURCES,
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("family", "kills"),
    [
        ("gpt", 2),
        pytest.param("bert", 25, marks=SLOW),
        pytest.param("gpt", 25, marks=SLOW),
    ],
)
def test_a_killed_run_ends_with_the_bits_of_an_uninterrupted_one(
    family, kills, tmp_path
):
    found = interrupted(tmp_path, family, kills)
    assert (found["status"], found["same"]) == (0, True)
    assert found["in_save"] >= kills // 4


@pytest.mark.parametrize(
    "moment",
    ["save", *(pytest.param(name, marks=SLOW) for name in ("compile", "step", "eval"))],
)
def test_sigterm_commits_within_a_step_and_exits_with_75(moment, tmp_path):
    found = interrupted(tmp_path, "bert", moment)
    assert (found["status"], found["then"], found["same"]) == (75, 0, True)
    assert found["lost"] <= 1


@pytest.mark.slow
def test_a_torn_checkpoint_falls_back_to_the_one_before(tmp_path, capsys):
    whole = make_run(tmp_path)
    finish(whole)
    folder = tmp_path / "checkpoints"
    finish(make_run(tmp_path), Checkpoints(folder, key="x"))
    newest = max(folder.glob("step-*"))
    tensors = newest / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-9])
    resumed = make_run(tmp_path)
    finish(resumed, Checkpoints(folder, key="x"))
    assert f"{newest.name} is not usable" in capsys.readouterr().out
    assert resumed.history == whole.history
