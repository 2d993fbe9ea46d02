"""The whole line through the command on tiny text: cached, explained, killed."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import sentences
from textmill.components.manifest import MANIFEST
from textmill.components.provenance import FILE as PROVENANCE
from textmill.components.provenance import trusted_keys, verify_version
from textmill.components.signatures import open_envelope

REPO = Path(__file__).parents[2]
ADDRESS = r"http://\S+/"
TRAINED = ["train.pretrain", "train.verb"]
RUN = ("-m", "textmill.pipeline.cli", "run", "tiny.yaml", "--root", "root")
CONFIG = """\
name: tiny
datasets:
  lines:
    source: {jsonl: lines.jsonl, id: id, label: label}
    split: {train: 0.6, eval: 0.2, test: 0.2}
    num_shards: 2
vocabulary: {kind: wordpiece, size: 80, learn_from: lines}
model: {family: bert, layers: 1, width: 16, heads: 2, sequence_length: 24}
stages:
  pretrain:
    task: masked_lm
    dataset: lines
    train: {steps: 30, global_batch: 8, checkpoint_every: 2, log_every: 10}
  verb:
    task: classify
    init: pretrain
    dataset: lines
    train: {xla: false, steps: 30, global_batch: 8, checkpoint_every: 2, log_every: 10}
    evaluate: {thresholds: {loss: "< 5"}}
    export: {}
    push: {}
"""


def textmill(*arguments: str, cwd: Path, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "textmill.pipeline.cli", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(REPO / ".ci/typing")},
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def write_project(folder: Path, *, xla: bool = True) -> None:
    """Writes the config and its data; with XLA, pretraining is compiled by it."""
    old, new = "train: {steps: 30", "train: {xla: false, steps: 30"
    config = CONFIG if xla else CONFIG.replace(old, new)
    (folder / "tiny.yaml").write_text(config)
    lines = "".join(json.dumps(row) + "\n" for row in sentences())
    (folder / "lines.jsonl").write_text(lines)


def digests(root: Path) -> dict[str, str]:
    return {
        f"{manifest.parts[-4]}/{manifest.parts[-2]}": json.loads(manifest.read_text())[
            "digest"
        ]
        for manifest in root.glob(f"artifacts/*/*/*/{MANIFEST}")
    }


def states(root: Path) -> dict[str, str]:
    newest = max(root.glob("runs/*/summary.json"), key=lambda p: p.parent.name)
    summary = json.loads(newest.read_text())
    return {name: node["state"] for name, node in summary["nodes"].items()}


def run(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return textmill("run", "tiny.yaml", "--root", "root", *more, cwd=folder)


def planned(folder: Path) -> dict[str, list[str]]:
    """Returns why each node would run, of those whose own key changed."""
    done = textmill("plan", "tiny.yaml", "--root", "root", "--json", cwd=folder)
    nodes = json.loads(done.stdout)
    return {node["id"]: node["reasons"] for node in nodes if node["state"] == "run"}


def run_project(folder: Path) -> None:
    """Writes the project and runs it."""
    write_project(folder)
    done = run(folder)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def project(build_once):
    return build_once("tiny", run_project)


def test_a_second_run_repeats_nothing(project):
    done = run(project, "--json")
    assert done.returncode == 0
    summary = json.loads(done.stdout)
    assert {node["state"] for node in summary["nodes"].values()} == {"cached"}
    stage = summary["stages"]["verb"]
    assert stage["blessed"] is True
    assert (stage["task"], stage["split"]) == ("classify", "test")
    assert [gate["metric"] for gate in stage["thresholds"]] == ["loss"]
    version = project / "root" / stage["pushed"]
    assert (version / "saved_model.pb").is_file()
    assert verify_version(version, trusted_keys(version)).trusted
    statement, *_ = open_envelope(version / PROVENANCE)
    build = statement["predicate"]["buildDefinition"]
    steps = set(summary["nodes"]) - {"push.verb", "report"}
    assert set(build["externalParameters"]) >= {
        step for step in steps if step.endswith(".verb")
    }
    dependencies = {entry["name"] for entry in build["resolvedDependencies"]}
    assert {"tensorflow", "train.verb/model", "vocabulary/vocabulary"} <= dependencies


def test_another_product_executes_its_own_nodes_alone(project, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(project, folder)
    with (folder / "tiny.yaml").open("a") as config:
        config.write(
            "  again: {task: classify, init: pretrain, dataset: lines, "
            "train: {xla: false, steps: 4, global_batch: 8}}\n"
        )
    plan = textmill("plan", "tiny.yaml", "--root", "root", cwd=folder).stdout
    assert re.search(r"(?m)^verb +up to date$", plan)
    assert re.search(r"(?m)^again +(\d) of \1 nodes$", plan)
    done = run(folder, "--only", "again")
    assert done.returncode == 0, done.stderr
    ran = {name for name, state in states(folder / "root").items() if state == "ran"}
    assert ran == {
        f"{step}.again"
        for step in (
            "train",
            "predict",
            "linear",
            "predict_linear",
            "calibrate",
            "evaluate",
        )
    }


def test_the_pushed_model_answers(project):
    text = "the baker paints warm bread."
    done = textmill("predict", "verb", text, "--root", "root", "--json", cwd=project)
    answer = json.loads(done.stdout)
    labels = {"ca", "fo", "pa", "re", "wa"}
    assert set(answer["probabilities"]) == labels
    assert answer["label"] in labels


def test_tensorboard_shows_every_training(project):
    served = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "textmill.pipeline.cli",
            "tensorboard",
            *RUN[4:],
            "--port",
            "0",
        ],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(REPO / ".ci/typing")},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = next(m[0] for line in served.stderr if (m := re.search(ADDRESS, line)))
        wanted = {"train/loss", "eval/loss", "time/tokens_per_second", "time/mfu"}
        for _ in range(60):
            with urllib.request.urlopen(f"{url}data/plugin/scalars/tags") as answer:
                tags_by_run = json.load(answer)
            if len(tags_by_run) == 2:
                break
            time.sleep(0.5)
        assert sorted(run.split("/")[0] for run in tags_by_run) == TRAINED
        assert all(wanted <= set(tags) for tags in tags_by_run.values())
    finally:
        served.terminate()
        served.communicate()


def test_touching_and_reordering_change_nothing(project):
    (project / "lines.jsonl").touch()
    moved = CONFIG.replace("name: tiny\n", "") + "name: tiny\n"
    (project / "tiny.yaml").write_text(moved)
    assert planned(project) == {}
    (project / "tiny.yaml").write_text(CONFIG)


def test_a_changed_config_value_is_explained_by_node_and_line(project):
    (project / "tiny.yaml").write_text(CONFIG.replace('"< 5"', '"< 4"'))
    reasons = planned(project)
    (project / "tiny.yaml").write_text(CONFIG)
    assert list(reasons) == ["evaluate.verb"]
    assert "tiny.yaml:19" in reasons["evaluate.verb"][0]
    assert "'< 5' -> '< 4'" in reasons["evaluate.verb"][0].replace('"', "'")


def test_a_changed_byte_with_the_same_size_and_time_is_detected(project):
    file = project / "lines.jsonl"
    before, data = file.stat(), file.read_bytes()
    file.write_bytes(data.replace(b"river", b"rover", 1))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    reasons = planned(project)
    file.write_bytes(data)
    assert list(reasons) == ["ingest.lines"]
    assert "lines.jsonl" in reasons["ingest.lines"][0]
    assert planned(project) == {}


@pytest.mark.slow
def test_kills_end_in_the_bits_of_an_uninterrupted_run(project, tmp_path):
    write_project(tmp_path)
    random_pause = random.Random(4)
    finished: set[str] = set()
    for _ in range(3):
        runner = subprocess.Popen(
            [sys.executable, *RUN],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(REPO / ".ci/typing")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(random_pause.uniform(3, 12))
        os.killpg(runner.pid, signal.SIGKILL)
        runner.wait()
        published = {
            p.parts[-3] for p in (tmp_path / "root").glob("artifacts/*/*/*.json")
        }
        assert finished <= published
        finished = {
            p.parent.parent.name
            for p in (tmp_path / "root").glob("artifacts/*/*/execution.json")
        }
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    ran = {name for name, state in states(tmp_path / "root").items() if state == "ran"}
    assert not finished & ran
    assert digests(tmp_path / "root") == digests(project / "root")


def run_by_kfp(folder: Path, root: Path) -> dict[str, str]:
    """Runs the file on KFP's own local runner; returns the states of the nodes."""
    options = ("--root", str(root), "--on", "kubeflow-local", "--json")
    done = textmill("run", "tiny.yaml", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    nodes = json.loads(done.stdout)["nodes"]
    return {name: node["state"] for name, node in nodes.items()}


def test_the_local_runner_of_kfp_makes_the_same_artifacts(project, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(project / "root", root)
    shutil.rmtree(root / "runs")
    again = {"ingest.lines", "evaluate.verb", "push.verb", "report"}
    for node in again:
        shutil.rmtree(root / "artifacts" / node)
    shutil.rmtree(root / "pushed")
    states = run_by_kfp(project, root)
    assert {name for name, state in states.items() if state == "ran"} == again
    assert set(states.values()) == {"ran", "cached"}
    assert digests(root) == digests(project / "root")
    assert (root / "pushed/verb/1/saved_model.pb").is_file()
    assert len(list(root.glob("runs/*/report.html"))) == 1


@pytest.mark.slow
def test_a_model_worse_than_the_pushed_one_is_not_pushed(project, tmp_path):
    folder = shutil.copytree(project, tmp_path / "project", symlinks=True)
    gate = 'stages.verb.evaluate.thresholds={accuracy: ">= pushed + 0.5"}'
    more = ("--json", "--set", gate, "--set", "stages.verb.train.steps=2")
    summary = json.loads(textmill(*RUN[2:], *more, cwd=folder).stdout)
    verb = summary["stages"]["verb"]
    assert (verb["blessed"], verb["pushed"]) == (False, None)
    place = summary["nodes"]["evaluate.verb"]["outputs"]["evaluation"]
    evaluation = json.loads((folder / "root" / place / "metrics.json").read_text())
    [threshold] = evaluation["thresholds"]
    assert threshold["version"] == 1
    assert threshold["bound"] > threshold["value"]
    again = json.loads(textmill(*RUN[2:], *more, cwd=folder).stdout)
    assert {node["state"] for node in again["nodes"].values()} == {"cached"}


@pytest.mark.slow
def test_the_local_runner_of_kfp_makes_everything_alike(project, tmp_path):
    states = run_by_kfp(project, tmp_path / "root")
    assert set(states.values()) == {"ran"}
    assert digests(tmp_path / "root") == digests(project / "root")


@pytest.mark.parametrize(
    ("old", "new", "code", "sentence"),
    [
        ("jsonl: lines.jsonl", "jsonl: lines.json", 2, "lines.json"),
        ("label: label", "label: lable", 2, "did you mean 'label'"),
        ("jsonl: lines.jsonl", "jsonl: empty.jsonl", 3, "empty.jsonl"),
        ("jsonl: lines.jsonl", "jsonl: '[ab].jsonl'", 3, "label 'zz'"),
    ],
    ids=["missing file", "unknown column", "empty data", "label never trained"],
)
def test_bad_input_gives_one_message(tmp_path, old, new, code, sentence):
    write_project(tmp_path)
    (tmp_path / "tiny.yaml").write_text(CONFIG.replace(old, new))
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "lines.jsonl").rename(tmp_path / "a.jsonl")
    (tmp_path / "lines.jsonl").write_text((tmp_path / "a.jsonl").read_text())
    late = {"id": "3", "text": "a text", "label": "zz"}
    (tmp_path / "b.jsonl").write_text(json.dumps(late) + "\n")
    done = run(tmp_path, "--only", "ingest.lines")
    assert done.returncode == code
    assert sentence in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def copy_code(folder: Path) -> Path:
    """Copies the source code; returns the path to import it from."""
    for name in ("models", "components", "pipeline", ".ci/typing"):
        shutil.copytree(REPO / name, folder / name, symlinks=True)
    return folder / ".ci/typing"


@pytest.mark.slow
def test_an_edited_comment_resumes_and_an_edited_line_trains_from_the_start(tmp_path):
    write_project(tmp_path, xla=False)
    environment = os.environ | {"PYTHONPATH": str(copy_code(tmp_path))}
    command = [sys.executable, *RUN, "--until", "train.pretrain"]
    command += ["--set", "stages.pretrain.train.steps=60"]
    command += ["--set", "stages.pretrain.train.checkpoint_every=10"]
    options = {"cwd": tmp_path, "env": environment, "capture_output": True}
    work = tmp_path / "root/work/train.pretrain"
    runner = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not (checkpoints := list(work.glob("*/checkpoints/step-????????"))):
        assert runner.poll() is None
        time.sleep(0.05)
    os.killpg(runner.pid, signal.SIGKILL)
    runner.wait()
    key = checkpoints[0].parts[-3]

    loop = tmp_path / "models/training/loop.py"
    loop.write_text(f"# Another comment.\n{loop.read_text()}")
    assert subprocess.run(command, check=False, **options).returncode == 0
    trained = tmp_path / "root/artifacts/train.pretrain"
    assert [folder.name for folder in trained.iterdir()] == [key]

    loop.write_text(f"{loop.read_text()}\n_ANOTHER = 1\n")
    assert subprocess.run(command, check=False, **options).returncode == 0
    assert len(list(trained.iterdir())) == 2
