"""A task is a file and a row, from YAML to the answers of a pushed model."""

import json
from pathlib import Path

import pytest

from tests.conftest import sentences
from tests.plugins import install, textmill
from textmill.models.tasks import TASKS

TOYS = Path(__file__).parent
STEPS = ("tokenize", "train", "predict", "evaluate", "export", "validate", "push")
CONFIG = """\
name: toys
datasets:
  lines:
    source: {jsonl: lines.jsonl, id: id}
    split: {train: 0.6, eval: 0.2, test: 0.2}
vocabulary: {kind: wordpiece, size: 80, learn_from: lines}
model: {family: bert, layers: 1, width: 16, heads: 2, sequence_length: 24}
stages:
  toy:
    task: direction
    dataset: lines
    train: {steps: 40, global_batch: 16, learning_rate: 0.01, xla: false, every: 2}
    evaluate: {thresholds: {accuracy: ">= 0.9"}}
    export: {}
    push: {}
"""


def read(project, *arguments):
    """Runs a command that sees the plug-in; returns its JSON."""
    arguments += ("--root", "root", "--json")
    done = textmill(project / "site", *arguments, cwd=project)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    files = (TOYS / "toy_task.py", TOYS / "toy_task_row.py")
    row = ("textmill.tasks", "direction", "toy_project.toy_task_row:ROW")
    install(folder / "site", *row, *files)
    (folder / "toys.yaml").write_text(CONFIG)
    lines = "".join(json.dumps(row) + "\n" for row in sentences())
    (folder / "lines.jsonl").write_text(lines)
    return folder


@pytest.fixture(scope="module")
def summary(project):
    return read(project, "run", "toys.yaml")


def test_a_toy_task_goes_from_yaml_to_a_pushed_model(project, summary):
    assert [f"{step}.toy" in summary["nodes"] for step in STEPS] == [True] * len(STEPS)
    stage = summary["stages"]["toy"]
    assert list(stage["metrics"]) == ["accuracy", "loss"]
    assert stage["metrics"]["accuracy"] >= 0.9 and stage["blessed"] is True
    (facts,) = (project / "root/artifacts/train.toy").glob("*/model/model.json")
    assert json.loads(facts.read_text())["task_config"] == {"every": 2}
    assert (project / "root" / stage["pushed"] / "saved_model.pb").is_file()
    page = (project / "root/runs" / summary["run_id"] / "report.html").read_text()
    assert "measured on 26 rows of test" in page


def test_the_pushed_model_answers_by_its_own_server(project, summary):
    text = "the baker paints warm bread."
    answer = read(project, "predict", "toy", text)
    assert answer.keys() == {"text", "backwards"}
    assert answer["backwards"] < 0.5


def test_an_edited_task_trains_again_and_tokenizes_nothing_again(project, summary):
    with (project / "site/toy_project/toy_task.py").open("a") as file:
        file.write("\nEDITED = True\n")
    plan = read(project, "plan", "toys.yaml")
    states = {node["id"]: node["state"] for node in plan}
    steps = ("ingest.lines", "vocabulary", "tokenize.toy", "train.toy")
    assert [states[id] for id in steps] == ["cached", "cached", "cached", "run"]


def test_without_it_nothing_changes():
    assert "direction" not in TASKS
