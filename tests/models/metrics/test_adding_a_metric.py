"""A metric is a file and a row, from YAML to evaluation, slices and thresholds."""

import sys
from pathlib import Path

import pytest

from tests.components.evaluator.test_engine import LANGUAGES, classified
from tests.plugins import install
from textmill.components.artifacts import Documents, Evaluation, TrainedModel
from textmill.components.evaluator import EvaluatorConfig, evaluate
from textmill.models.metrics import METRICS, metric_names
from textmill.pipeline.cache.code_digest import CodeReader
from textmill.pipeline.config.load import parse_config
from textmill.pipeline.publish import seal

CONFIG = """
name: toys
datasets: {lines: {source: {jsonl: lines.jsonl, label: label}}}
vocabulary: {kind: wordpiece, size: 100, learn_from: lines}
model: {family: bert, layers: 1, width: 8, heads: 1, sequence_length: 8}
stages:
  topic:
    task: classify
    dataset: lines
    train: {steps: 10, xla: false}
    evaluate: {thresholds: {confidence: ">= 0.6"}}
"""


@pytest.fixture
def plugged_in(tmp_path, monkeypatch):
    file = Path(__file__).with_name("toy_metric.py")
    site = tmp_path / "site"
    install(site, "textmill.metrics", "confidence", "toy_metric:ROW", file)
    monkeypatch.syspath_prepend(str(site))
    yield
    sys.modules.pop("toy_metric", None)


def sealed(artifact):
    seal(artifact)
    return artifact


def evaluated(folder, **thresholds):
    evaluation = Evaluation(folder / "evaluation")
    documents, model = Documents(folder / "documents"), TrainedModel(folder / "model")
    for artifact in (documents, model):
        artifact.file("content").write_text(artifact.path.name)
    documents.facts = {"splits": {}}
    evaluate(
        predictions=classified(folder / "predictions", language=LANGUAGES),
        documents=sealed(documents),
        model=sealed(model),
        evaluation=evaluation,
        config=EvaluatorConfig(thresholds=thresholds),
    )
    return sealed(evaluation)


def test_it_is_measured_with_an_interval_in_all_slices(plugged_in, tmp_path):
    result = evaluated(tmp_path).read()
    # Seven of ten rows have 0.7 for their label, the others 0.15.
    interval = result["metrics"]["confidence"]
    correct = result["metrics"]["accuracy"]["value"]
    expected = 0.7 * correct + 0.15 * (1 - correct)
    assert interval["value"] == pytest.approx(expected)
    assert interval["low"] <= interval["value"] <= interval["high"]
    assert set(result["slices"]["language"]) == {"en", "zh"}
    assert "confidence" in result["slices"]["language"]["zh"]


def test_a_threshold_from_yaml_blesses_by_it(plugged_in, tmp_path):
    config = parse_config(CONFIG, tmp_path / "toys.yaml").config
    thresholds = config.stages["topic"].evaluate.thresholds
    assert evaluated(tmp_path / "unmet", **thresholds).blessed is False
    assert evaluated(tmp_path / "met", confidence=">= 0.1").blessed is True


def test_its_source_is_part_of_the_evaluators_code(plugged_in):
    code = CodeReader({}).read("textmill.components.evaluator")
    assert "toy_metric" in code.modules


def test_without_it_nothing_changes():
    assert "confidence" not in METRICS
    assert "confidence" not in metric_names("classify")
