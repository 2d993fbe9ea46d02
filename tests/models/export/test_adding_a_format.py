"""An export format is a file and a row, from YAML to a validated export."""

import json
from pathlib import Path

import pytest

from tests.conftest import sentences
from tests.plugins import install, textmill
from textmill.components.artifacts import ServingModel
from textmill.models.export import FORMATS

CONFIG = """\
name: toys
datasets:
  lines: {source: {jsonl: lines.jsonl, id: id}}
vocabulary: {kind: wordpiece, size: 80, learn_from: lines}
model: {family: bert, layers: 1, width: 16, heads: 2, sequence_length: 24}
stages:
  toy:
    task: masked_lm
    dataset: lines
    train: {steps: 2, global_batch: 8, xla: false}
    export: {formats: [saved_model, zip]}
"""
EDIT = """

class Wrong:
    def answer(self, texts):
        return [{"embedding": [0.0] * 16} for _ in texts]


Zip.load = lambda self, folder: Wrong()
"""


def run(project):
    """Runs in processes that see the plug-in; returns the result and the nodes."""
    command = (
        "run",
        "toys.yaml",
        "--until",
        "validate.toy",
        "--root",
        "root",
        "--json",
    )
    done = textmill(project / "site", *command, cwd=project)
    return done, json.loads(done.stdout)["nodes"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    file = Path(__file__).with_name("toy_format.py")
    install(folder / "site", "textmill.formats", "zip", "toy_format:ROW", file)
    (folder / "toys.yaml").write_text(CONFIG)
    lines = "".join(json.dumps(row) + "\n" for row in sentences())
    (folder / "lines.jsonl").write_text(lines)
    return folder


@pytest.mark.slow
def test_a_toy_format_is_written_and_validated_like_the_saved_model(project):
    done, nodes = run(project)
    assert done.returncode == 0, done.stderr
    serving = ServingModel(project / "root" / nodes["export.toy"]["outputs"]["serving"])
    assert serving.facts["formats"] == ["saved_model", "zip"]
    assert (serving.path / "saved_model/saved_model.pb").is_file()
    assert (serving.path / "zip/model.zip").is_file()
    assert nodes["validate.toy"]["state"] == "ran"


@pytest.mark.slow
def test_other_answers_than_the_trainers_fail_the_run(project):
    with (project / "site/toy_format.py").open("a") as file:
        file.write(EDIT)
    done, nodes = run(project)
    assert done.returncode == 4
    states = {id: node["state"] for id, node in nodes.items()}
    assert states["train.toy"] == "cached"
    assert (states["export.toy"], states["validate.toy"]) == ("ran", "failed")
    assert "zip: embedding of " in done.stderr
    assert "the export is not the trained model" in done.stderr


def test_without_it_nothing_changes():
    assert list(FORMATS) == ["saved_model", "huggingface"]
