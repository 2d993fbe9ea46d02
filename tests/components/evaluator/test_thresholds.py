"""Thresholds, fixed and relative to the pushed model."""

import json

import pytest

from textmill.components.artifacts import Evaluation, PushedVersion
from textmill.components.evaluator import Evaluator, EvaluatorConfig
from textmill.components.evaluator.thresholds import (
    Baseline,
    check_thresholds,
    latest_baseline,
)
from textmill.models.errors import ConfigError, DataError, IntegrityError
from textmill.pipeline.publish import seal

METRICS = {"accuracy": {"value": 0.75}, "loss": {"value": 1.5}}


def put_version(folder, number, *, model, accuracy=0.5):
    version = folder / str(number)
    (version / PushedVersion.CARD).parent.mkdir(parents=True)
    (version / PushedVersion.MODEL).touch()
    card = {"model": model, "documents": "d"}
    card |= {"metrics": {"accuracy": {"value": accuracy}}}
    (version / PushedVersion.CARD).write_text(json.dumps(card))
    seal(PushedVersion(version))
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
def test_a_rule_compares_with_a_number_or_the_pushed_model(rule, bound, passed):
    pushed = Baseline(3, {"metrics": {"accuracy": {"value": 0.5}}})
    [outcome] = check_thresholds(METRICS, {"accuracy": rule}, pushed)
    assert outcome["bound"] == pytest.approx(bound)
    assert (outcome["value"], outcome["passed"]) == (0.75, passed)
    assert outcome.get("version") == (3 if "pushed" in rule else None)


def test_the_first_model_passes_without_a_baseline():
    [outcome] = check_thresholds(METRICS, {"accuracy": ">= pushed + 0.2"})
    assert (outcome["passed"], outcome["bound"], outcome["version"]) == (
        True,
        None,
        None,
    )


def test_a_pushed_model_of_another_task_is_an_error():
    pushed = Baseline(3, {"metrics": {"perplexity": {"value": 9.0}}})
    with pytest.raises(ConfigError, match=r"pushed version 3 \(perplexity\)"):
        check_thresholds(METRICS, {"accuracy": ">= pushed"}, pushed)


@pytest.mark.parametrize("rule", ["pushed", ">= pushd", ">= pushed -", "> 1 + pushed"])
def test_a_malformed_rule_is_an_error(rule):
    with pytest.raises(ConfigError, match="expected a rule such as"):
        check_thresholds(METRICS, {"accuracy": rule})


def test_a_nan_metric_never_passes():
    with pytest.raises(DataError, match="accuracy is nan"):
        check_thresholds({"accuracy": {"value": float("nan")}}, {"accuracy": "< 1"})


def test_the_baseline_is_the_newest_complete_version_of_another_model(tmp_path):
    put_version(tmp_path, 2, model="a", accuracy=0.2)
    put_version(tmp_path, 10, model="b")
    (put_version(tmp_path, 11, model="c") / PushedVersion.MODEL).unlink()
    (put_version(tmp_path, 12, model="d") / PushedVersion.CARD).unlink()
    baseline = latest_baseline(tmp_path, model="e", documents="d")
    assert (baseline.version, baseline.same_documents) == (10, True)
    baseline = latest_baseline(tmp_path, model="b", documents="others")
    assert (baseline.version, baseline.same_documents) == (2, False)
    assert baseline.value("accuracy") == 0.2
    assert latest_baseline(tmp_path / "none", model="b", documents="d") is None


def test_an_altered_baseline_is_an_integrity_error(tmp_path):
    card = put_version(tmp_path, 1, model="a") / PushedVersion.CARD
    card.write_text(card.read_text().replace("0.5", "0.1"))
    with pytest.raises(IntegrityError, match="expected sha256"):
        latest_baseline(tmp_path, model="b", documents="d")


def test_an_altered_metric_is_not_read(tmp_path):
    evaluation = Evaluation(tmp_path)
    evaluation.file(Evaluation.FILE).write_text('{"metrics": {"loss": 0.875}}')
    seal(evaluation)
    evaluation.file(Evaluation.FILE).write_text('{"metrics": {"loss": 0.999}}')
    with pytest.raises(IntegrityError, match="expected sha256"):
        Evaluation(tmp_path).read()


def test_pushing_a_model_does_not_change_its_own_key(tmp_path):
    config = EvaluatorConfig(pushed=str(tmp_path))
    inputs = {"model": "b", "documents": "d"}
    assert Evaluator.external_versions(config, inputs) == []
    put_version(tmp_path, 1, model="b")
    assert Evaluator.external_versions(config, inputs) == []
    [first] = Evaluator.external_versions(config, {**inputs, "model": "c"})
    put_version(tmp_path, 2, model="b", accuracy=0.6)
    [second] = Evaluator.external_versions(config, {**inputs, "model": "c"})
    assert first.name == second.name == "the pushed version"
    assert first.identity != second.identity


def test_a_rule_compares_with_the_linear_model_of_the_same_rows():
    linear = {"linear": {"accuracy": {"value": 0.75}}}
    metrics = {"accuracy": {"value": 0.8}}
    for rule, bound, passed in (
        (">= linear + 0.0", 0.75, True),
        (">= linear + 0.1", 0.85, False),
        ("> linear", 0.75, True),
    ):
        [outcome] = check_thresholds(metrics, {"accuracy": rule}, None, linear)
        assert outcome["bound"] == pytest.approx(bound)
        assert outcome["passed"] is passed


def test_a_rule_about_a_model_that_was_not_measured_is_refused():
    with pytest.raises(ConfigError, match=r"set evaluate\.baseline: linear"):
        check_thresholds({"accuracy": {"value": 0.8}}, {"accuracy": ">= linear"})
