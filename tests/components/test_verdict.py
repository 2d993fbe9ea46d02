"""Thresholds, fixed and beside the pushed model."""

import json

import pytest

from textmill.components.artifacts import PushedModel
from textmill.components.evaluator import (
    EvaluateConfig,
    Evaluator,
    EvaluatorConfig,
)
from textmill.components.evaluator.thresholds import (
    Baseline,
    judge,
    latest_baseline,
)
from textmill.models.errors import ConfigError, DataError

METRICS = {"accuracy": {"value": 0.75}, "loss": {"value": 1.5}}


def put_version(folder, number, *, model, accuracy=0.5):
    version = folder / str(number)
    (version / PushedModel.CARD).parent.mkdir(parents=True)
    (version / PushedModel.MODEL).touch()
    card = {"model": model, "documents": "d"}
    card |= {"metrics": {"accuracy": {"value": accuracy}}}
    (version / PushedModel.CARD).write_text(json.dumps(card))
    return version


@pytest.mark.parametrize(
    ("rule", "bound", "passed"),
    [
        (">= 0.75", 0.75, True),
        ("> 0.75", 0.75, False),
        ("<= .8", 0.8, True),
        (">= pushed", 0.5, True),
        (">= pushed + 0.25", 0.75, True),
        (">pushed+.26", 0.76, False),
        ("> pushed - 1e-2", 0.49, True),
    ],
)
def test_a_rule_compares_with_a_number_or_with_what_is_pushed(rule, bound, passed):
    pushed = Baseline(3, {"metrics": {"accuracy": {"value": 0.5}}})
    [found] = judge(METRICS, {"accuracy": rule}, pushed)
    assert found["bound"] == pytest.approx(bound)
    assert (found["value"], found["passed"]) == (0.75, passed)
    assert found.get("version") == (3 if "pushed" in rule else None)


def test_the_first_model_has_nothing_to_beat():
    [found] = judge(METRICS, {"accuracy": ">= pushed + 0.2"})
    assert (found["passed"], found["bound"], found["version"]) == (True, None, None)


def test_a_pushed_model_of_another_task_is_not_compared_with():
    pushed = Baseline(3, {"metrics": {"perplexity": {"value": 9.0}}})
    with pytest.raises(ConfigError, match=r"pushed version 3 \(perplexity\)"):
        judge(METRICS, {"accuracy": ">= pushed"}, pushed)


@pytest.mark.parametrize("rule", ["pushed", ">= pushd", ">= pushed -", "> 1 + pushed"])
def test_what_is_no_rule_is_refused(rule):
    with pytest.raises(ConfigError, match="expected a rule such as"):
        judge(METRICS, {"accuracy": rule})


def test_a_metric_that_is_no_number_never_passes():
    with pytest.raises(DataError, match="accuracy is nan"):
        judge({"accuracy": {"value": float("nan")}}, {"accuracy": "< 1"})


def test_the_newest_whole_version_of_another_model_counts(tmp_path):
    put_version(tmp_path, 2, model="a", accuracy=0.2)
    put_version(tmp_path, 10, model="b")
    (put_version(tmp_path, 11, model="c") / PushedModel.MODEL).unlink()
    (put_version(tmp_path, 12, model="d") / PushedModel.CARD).unlink()
    found = latest_baseline(tmp_path, model="e", documents="d")
    assert (found.version, found.same_documents) == (10, True)
    found = latest_baseline(tmp_path, model="b", documents="others")
    assert (found.version, found.same_documents) == (2, False)
    assert found.value("accuracy") == 0.2
    assert latest_baseline(tmp_path / "none", model="b", documents="d") is None


def test_a_model_does_not_run_again_because_it_was_pushed(tmp_path):
    config = EvaluatorConfig(evaluate=EvaluateConfig(), pushed=str(tmp_path))
    inputs = {"model": "b", "documents": "d"}
    assert Evaluator.external_versions(config, inputs) == []
    put_version(tmp_path, 1, model="b")
    assert Evaluator.external_versions(config, inputs) == []
    [first] = Evaluator.external_versions(config, {**inputs, "model": "c"})
    put_version(tmp_path, 2, model="b", accuracy=0.6)
    [second] = Evaluator.external_versions(config, {**inputs, "model": "c"})
    assert first.name == second.name == "the pushed version"
    assert first.identity != second.identity
