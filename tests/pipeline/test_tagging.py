"""Tagging from YAML to served spans, on a grammar with planted entities."""

import json

import pytest

from tests.pipeline.planted import sentences
from tests.pipeline.test_end_to_end import textmill

pytestmark = pytest.mark.slow

CONFIG = """
name: planted
seed: 3
datasets:
  notes:
    source: {jsonl: notes.jsonl, text: text, tags: tags}
    clean: {dedup: none}
    split: {train: 0.8, eval: 0.1, test: 0.1}
vocabulary: {kind: wordpiece, size: 400, learn_from: notes, lowercase: false}
model: {family: bert, layers: 2, width: 64, heads: 4, sequence_length: 32, dropout: 0.0}
stages:
  entities:
    task: tag
    dataset: notes
    train: {steps: 250, global_batch: 32, learning_rate: 3e-3, xla: false}
    evaluate: {thresholds: {span_f1: ">= lookup + 0.05"}}
    export: {}
    push: {}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tagging")
    (folder / "planted.yaml").write_text(CONFIG)
    lines = "".join(json.dumps(document) + "\n" for document in sentences(800))
    (folder / "notes.jsonl").write_text(lines)
    done = textmill("run", "planted.yaml", "--root", "root", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def read_output(project, pattern):
    [path] = project.glob(f"root/artifacts/{pattern}")
    return json.loads(path.read_text())


def test_planted_entities_are_found_and_better_than_by_looking_words_up(project):
    result = read_output(project, "evaluate.entities/*/evaluation/metrics.json")
    assert result["metrics"]["span_f1"]["value"] >= 0.98
    assert result["blessed"] is True
    assert result["baselines"]["lookup"]["metrics"]["span_f1"]["value"] < 0.95
    assert set(result["per_class"]) == {"person", "firm", "place", "day"}
    assert all(row["support"] > 10 for row in result["per_class"].values())


def test_the_export_gives_the_trained_models_spans_in_a_fresh_process(project):
    result = read_output(project, "validate.entities/*/validation/validation.json")
    assert result["texts"] > 0
    assert result["largest_difference"] < 1e-4


def test_predict_gives_spans_of_the_callers_text(project):
    text = "👍🏽\r\n Dr Tasken of Norsul Works\tflew to Upper Garcas on 3 May. "
    long = " ".join(document["text"] for document in sentences(20, seed=9))
    arguments = ("predict", "entities", text, long, "", "--root", "root")
    done = textmill(*arguments, "--json", cwd=project)
    first, second, third = map(json.loads, done.stdout.splitlines())
    for row in (first, second):
        for span in row["spans"]:
            assert span["text"] == row["text"][span["start"] : span["end"]]
    found = [(span["text"], span["label"]) for span in first["spans"]]
    assert ("Dr Tasken", "person") in found
    assert ("Norsul Works", "firm") in found
    assert ("3 May", "day") in found
    assert len(second["spans"]) > 25
    assert third["spans"] == []
    shown = textmill(*arguments, cwd=project).stdout
    assert "  Dr Tasken" in shown
    assert "person  5-14" in shown
    assert "(none)" in shown


def test_the_report_shows_spans_and_labels(project):
    [page] = project.glob("root/runs/*/report.html")
    text = page.read_text()
    assert "tags of known words" in text
    assert '<mark class="span-hit">' in text
    assert "<small> place</small>" in text
