"""Thresholds, fixed and relative to the pushed model."""

import json

import pytest

from textmill.components.artifacts import Evaluation, PushedVersion
from textmill.components.evaluator import Evaluator, EvaluatorConfig
from textmill.components.evaluator.thresholds import (
    Baseline,
    check_comparable,
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
    ("rule", "passed"), [(">= 0.75", True), ("> 0.75", False), ("<= .8", True)]
)
def test_a_rule_compares_with_a_number(rule, passed):
    [outcome] = check_thresholds(METRICS, {"accuracy": rule})
    assert (outcome["value"], outcome["passed"]) == (0.75, passed)


@pytest.mark.parametrize(
    ("rule", "bound", "passed"),
    [
        (">= pushed", 0.7, False),
        (">= pushed - 0.02", 0.68, False),
        (">= pushed - 0.03", 0.67, True),
        ("> pushed - 3e-2", 0.67, False),
        (">=pushed-.05", 0.65, True),
        ("<= pushed + 0.13", 0.83, True),
        ("< pushed + 0.1", 0.8, False),
    ],
)
def test_the_whole_interval_of_the_difference_meets_a_rule_about_the_pushed_model(
    rule, bound, passed
):
    difference = {"value": 0.05, "low": -0.03, "high": 0.13}
    pushed = Baseline(
        3,
        {"metrics": {"accuracy": {"value": 0.7, "low": 0.6, "high": 0.8}}},
        differences={"accuracy": difference},
        paired_rows=100,
    )
    [outcome] = check_thresholds(METRICS, {"accuracy": rule}, pushed)
    assert outcome["bound"] == pytest.approx(bound)
    assert (outcome["value"], outcome["passed"]) == (0.75, passed)
    assert (outcome["version"], outcome["paired_rows"]) == (3, 100)
    assert outcome["difference"] == difference


def test_without_common_rows_the_intervals_of_both_evaluations_decide():
    own = {"accuracy": {"value": 0.75, "low": 0.71, "high": 0.79}}
    card = {"metrics": {"accuracy": {"value": 0.7, "low": 0.67, "high": 0.73}}}
    for rule, passed in ((">= pushed - 0.01", True), (">= pushed + 0.01", False)):
        [outcome] = check_thresholds(own, {"accuracy": rule}, Baseline(3, card))
        # 0.05 plus and minus the root of 0.04^2 + 0.03^2
        assert outcome["difference"] == {
            "value": pytest.approx(0.05),
            "low": pytest.approx(0.0),
            "high": pytest.approx(0.1),
        }
        assert (outcome["passed"], outcome["paired_rows"]) == (passed, None)


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
    assert baseline.metric("accuracy") == {"value": 0.2}
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
    measured = {
        "metrics": {"accuracy": {"value": 0.75}},
        "differences": {"accuracy": {"value": 0.05, "low": 0.0, "high": 0.1}},
    }
    linear = {"linear": measured}
    metrics = {"accuracy": {"value": 0.8}}
    for rule, bound, passed in (
        (">= linear + 0.0", 0.75, True),
        (">= linear + 0.01", 0.76, False),
        ("> linear", 0.75, False),
    ):
        [outcome] = check_thresholds(metrics, {"accuracy": rule}, None, linear)
        assert outcome["bound"] == pytest.approx(bound)
        assert outcome["passed"] is passed


def test_a_rule_about_a_model_that_was_not_measured_is_refused():
    with pytest.raises(ConfigError, match=r"set evaluate\.baseline: linear"):
        check_thresholds({"accuracy": {"value": 0.8}}, {"accuracy": ">= linear"})


MASKED = {"task": "masked_lm", "vocabulary": "v", "task_config": {"mask_rate": 0.15}}


@pytest.mark.parametrize(
    ("metric", "change", "reason"),
    [
        ("loss", {"vocabulary": "w"}, "another vocabulary"),
        ("perplexity", {"vocabulary": "w"}, "another vocabulary"),
        ("accuracy", {"task_config": {"mask_rate": 0.3}}, "other task settings"),
        ("bits_per_byte", {"task_config": {"mask_rate": 0.3}}, "other task settings"),
        ("bits_per_byte", {"vocabulary": "w"}, None),
        ("loss", {}, None),
    ],
)
def test_means_over_other_tokens_are_not_compared(metric, change, reason):
    pushed, rules = Baseline(3, MASKED | change), {metric: "<= pushed + 0.1"}
    if reason is None:
        check_comparable(pushed, rules, MASKED)
        return
    with pytest.raises(ConfigError, match=f"version 3 was measured with {reason}"):
        check_comparable(pushed, rules, MASKED)


def test_the_loss_of_labels_is_compared_whatever_the_vocabulary():
    facts = MASKED | {"task": "classify"}
    pushed = Baseline(3, facts | {"vocabulary": "w"})
    check_comparable(pushed, {"loss": "< pushed"}, facts)
