"""Every ready config is complete, reads its sample, and runs on it to a pushed model.

A ready config has a sample of the same name in ``tests/samples``, and a first comment
with the ``--set`` option that names the user's own file.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.marks import slow_except
from textmill.pipeline.config.data_checks import check_data
from textmill.pipeline.config.load import load_config
from textmill.pipeline.config.yaml import read_yaml

REPO = Path(__file__).parents[2]
SAMPLES = {path.stem: path for path in sorted((REPO / "tests/samples").iterdir())}
QUICK = ("matrix",)
"""The config that runs by default, one pretraining with four products."""
SMALL = {
    "vocabulary.size": "300",
    "model.width": "16",
    "model.heads": "2",
    "model.layers": "1",
}
_SHARES = "{train: 0.6, eval: 0.2, test: 0.2}"


def config_of(name: str) -> Path:
    """Returns the config of a sample; ``entities_zh`` is one more of ``entities``."""
    path = REPO / "configs" / f"{name}.yaml"
    return path if path.exists() else config_of(name.rpartition("_")[0])


def file_options(name: str) -> dict[str, str]:
    """Returns the options of the config's comment, which name the user's file."""
    keys = re.findall(r"--set (datasets\.\S+)=\S+", config_of(name).read_text())
    assert keys, f"configs/{name}.yaml names no option for the user's file"
    return dict.fromkeys(keys, str(SAMPLES[name]))


def small_options(name: str) -> dict[str, str]:
    """Returns the settings that make a run of a sample short."""
    values = read_yaml(config_of(name).read_text(), name).value
    options = {**file_options(name), **SMALL}
    options |= {f"datasets.{dataset}.split": _SHARES for dataset in values["datasets"]}
    for stage, settings in values["stages"].items():
        train = f"stages.{stage}.train"
        length = "steps" if "steps" in settings["train"] else "epochs"
        options |= {f"{train}.{length}": "2", f"{train}.global_batch": "4"}
        if "contrast_size" in settings["train"]:
            options[f"{train}.contrast_size"] = "4"
        # What a model of twenty rows can do is no matter of a gate.
        options[f"stages.{stage}.evaluate"] = "{}"
    return options


@pytest.mark.parametrize("name", SAMPLES)
def test_a_ready_config_reads_its_sample_of_twenty(name):
    options = [f"{key}={path}" for key, path in file_options(name).items()]
    loaded = load_config(config_of(name), overrides=options)
    check_data(loaded)
    assert loaded.config.name == config_of(name).stem
    assert f"tests/samples/{SAMPLES[name].name}" in config_of(name).read_text()
    stages = loaded.config.stages.values()
    assert all(stage.push is not None for stage in stages if stage.export is not None)


@pytest.mark.parametrize("name", slow_except(SAMPLES, QUICK))
def test_a_ready_config_runs_on_its_sample_to_a_pushed_model(name, tmp_path):
    options = [f"{key}={value}" for key, value in small_options(name).items()]
    sets = [word for option in options for word in ("--set", option)]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "textmill.pipeline.cli", "run"),
            *(str(config_of(name)), "--root", str(tmp_path), "--json", *sets),
        ],
        env=os.environ | {"PYTHONPATH": str(REPO / ".ci/typing")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert {node["state"] for node in summary["nodes"].values()} == {"ran"}
    for stage in summary["stages"].values():
        assert stage["metrics"]
        if stage["pushed"]:
            assert (tmp_path / stage["pushed"] / "saved_model.pb").is_file()
    assert any(stage["pushed"] for stage in summary["stages"].values())
