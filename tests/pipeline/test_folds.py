"""A stage with folds: its nodes, the mistakes of its config, and kills."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipeline.test_end_to_end import (
    CONFIG,
    REPO,
    RUN,
    digests,
    run,
    write_project,
)
from textmill.models.errors import ConfigError
from textmill.pipeline.config.load import parse_config
from textmill.pipeline.create_pipeline import create_pipeline
from textmill.pipeline.platforms.compile import compile_pipeline
from textmill.pipeline.platforms.config import NodeConfig, node_config

FOLDS = CONFIG.replace("init: pretrain\n", "init: pretrain\n    folds: 2\n")


def pipeline_of(text, *overrides):
    loaded = parse_config(text, Path("tiny.yaml"), overrides)
    return loaded, create_pipeline(loaded, Path("/root-of-the-run"))


def test_each_part_is_trained_once_a_fold_and_combined():
    _, pipeline = pipeline_of(FOLDS)
    upstream = {node.id: set(node.upstream()) for node in pipeline.nodes}
    assert {id for id in upstream if id.endswith(".verb.2")} == {
        "train.verb.2",
        "predict.verb.2",
        "linear.verb.2",
        "predict_linear.verb.2",
    }
    assert "train.verb" not in upstream
    assert upstream["tokenize.verb"] == {"folds.verb", "vocabulary"}
    assert upstream["ensemble.verb"] == {
        f"{step}.verb.{fold}" for step in ("train", "predict") for fold in (1, 2)
    }
    assert upstream["calibrate.verb"] == {"ensemble.verb", "ensemble_linear.verb"}
    assert pipeline.node("train.verb.2").config.fold == 2
    assert pipeline.select(only=["train.verb.2"]).selected == {"train.verb.2"}


def test_one_encoder_is_distilled_from_those_of_all_folds():
    _, pipeline = pipeline_of(FOLDS, "stages.verb.calibrate.ensemble=distilled")
    upstream = {node.id: set(node.upstream()) for node in pipeline.nodes}
    assert upstream["distil.verb"] == {
        "tokenize.verb",
        "vocabulary",
        "train.pretrain",
        "ensemble.verb",
    }
    assert pipeline.node("distil.verb").config.fold == 2
    assert upstream["calibrate.verb"] == {
        "distil.verb",
        "predict_distilled.verb",
        "ensemble_linear.verb",
    }
    assert pipeline.node("ensemble.verb").config.mean == "probabilities"
    assert pipeline.node("ensemble_linear.verb").config.held_out == 2
    baselines = pipeline.node("evaluate.verb").inputs["baselines"]
    assert baselines["encoder"].producer == "predict_distilled.verb"


def test_groups_of_the_split_column_are_those_of_folds():
    text = FOLDS.replace("split: {", "split: {by: id, ")
    _, pipeline = pipeline_of(text, "datasets.lines.split.by=author")
    assert pipeline.node("folds.verb").config.group_by == "author"


def test_a_key_of_run_nodes_names_a_fold():
    given = {
        "train/verb": NodeConfig(cpu=2, memory="1Gi"),
        "train/verb/2": NodeConfig(cpu=4),
    }
    pipeline_of(FOLDS, "run.nodes={train/verb/2: {cpu: 4}}")
    merged = node_config(given, "train.verb.2")
    assert (merged.cpu, merged.memory) == (4, "1Gi")
    assert node_config(given, "train.verb.1").cpu == 2
    with pytest.raises(ConfigError, match=r"train/verb/3"):
        pipeline_of(FOLDS, "run.nodes={train/verb/3: {cpu: 4}}")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["stages.pretrain.folds=3"],
            "stages.pretrain.folds: expected task classify with folds, got 'masked_lm'",
        ),
        (["stages.verb.folds=1"], "stages.verb.folds: expected a number of 2 or more"),
        (
            ["datasets.lines.augment={}"],
            "expected a data set without augment in a stage with folds, got 'lines'; "
            "remove datasets.lines.augment",
        ),
        (
            ["stages.verb.folds=null", "stages.verb.calibrate.ensemble=logits"],
            "expected folds in a stage with calibrate.ensemble, got nothing; add folds",
        ),
        (
            ["model.family=linear", "stages.verb.calibrate.ensemble=distilled"],
            "stages.verb.calibrate.ensemble: expected no distilled encoder with "
            "model.family linear, got 'distilled'",
        ),
    ],
)
def test_a_mistake_about_folds_is_a_sentence(overrides, message):
    with pytest.raises(ConfigError) as error:
        pipeline_of(FOLDS, *overrides)
    assert message in str(error.value)


def test_two_nodes_with_one_name_on_a_platform_are_refused():
    other = CONFIG.partition("stages:")[2].replace("  verb:", "  verb_1:")
    other = other.replace("  pretrain:", "  other:").replace(": pretrain", ": other")
    loaded, pipeline = pipeline_of(FOLDS + other)
    with pytest.raises(
        ConfigError,
        match=r"linear\.verb\.1 and linear\.verb_1 are both task 'linear-verb-1'",
    ):
        compile_pipeline(loaded, pipeline, to="kubeflow", root="gs://bucket/root")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ensemble", "killed"),
    [
        ("logits", ("train.verb.2", "calibrate.verb")),
        ("distilled", ("distil.verb", "calibrate.verb")),
    ],
)
def test_kills_in_a_fold_and_in_calibration_change_no_bit(ensemble, killed, tmp_path):
    roots = []
    for name, kills in (("whole", ()), ("killed", killed)):
        folder = tmp_path / name
        folder.mkdir()
        write_project(folder, xla=False)
        text = (folder / "tiny.yaml").read_text()
        folds = f"folds: 2\n    calibrate: {{ensemble: {ensemble}}}\n"
        text = text.replace("init: pretrain\n", folds)
        (folder / "tiny.yaml").write_text(text)
        for node in kills:
            kill_in(folder, node)
        done = run(folder)
        assert done.returncode == 0, done.stderr
        roots.append(digests(folder / "root"))
    assert roots[0] == roots[1]


def kill_in(folder: Path, node: str) -> None:
    """Runs until a node saves a checkpoint, or starts if it has none; then kills it."""
    runner = subprocess.Popen(
        [sys.executable, *RUN],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPO / ".ci/typing")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not is_inside(folder / "root", node):
        assert runner.poll() is None
        time.sleep(0.02)
    os.killpg(runner.pid, signal.SIGKILL)
    runner.wait()


def is_inside(root: Path, node: str) -> bool:
    if node.startswith(("train", "distil")):
        return any(root.glob(f"work/{node}/*/checkpoints/step-????????"))
    events = [
        json.loads(line)
        for path in root.glob("runs/*/events.jsonl")
        for line in path.read_text().splitlines()
        if line.endswith("}")
    ]
    started = [e for e in events if e["event"] == "node_started"]
    return any(event["node"] == node for event in started)
