import copy

import pytest

from tests.components.reporter.pages import PUSH, Page
from textmill.components.reporter.headline import summarize
from textmill.components.reporter.measures import headline_metric
from textmill.components.reporter.page import render_report


def test_run_gives_the_destination_relative_to_its_root(data, summary):
    data["stages"][0]["push"]["destination"] = "/somewhere/else/pushed/spam/3"
    summary["stages"]["spam"]["pushed"] = "pushed/spam/3"
    assert summarize(data, summary).stages[0].pushed == "version 3 in pushed/spam/3"


def test_interrupted_run_says_that_it_can_be_resumed(summary):
    summary["status"] = "interrupted"
    headline = summarize(None, summary)
    assert headline.title == "Stopped before the end"
    assert headline.next_step == (
        "Run the same command again: it resumes from the last checkpoint."
    )


def test_run_that_failed_outside_its_nodes_never_looks_finished(summary):
    summary["status"] = "failed"
    headline = summarize(None, summary)
    assert (headline.tone, headline.title) == ("bad", "Stopped before the end")


def test_missed_gate_names_metric_rule_and_value(data):
    stage = data["stages"][0]
    gate = {"metric": "accuracy", "rule": ">= 0.80", "value": 0.71, "passed": False}
    gate |= {"bound": 0.8}
    stage["evaluation"] |= {"blessed": False, "thresholds": [gate]}
    stage["push"] = {**PUSH, "pushed": False, "reason": "not blessed"}
    headline = summarize(data)
    assert headline.tone == "bad"
    assert headline.title == "spam did not pass its gate"
    assert headline.details == ["spam: accuracy must be >= 0.80, and is 0.71."]
    stays = f"Version {PUSH['previous']['version']} was the one served."
    assert headline.next_step == f"Not pushed. {stays}"
    assert (headline.stages[0].pushed, headline.stages[0].reason) == (
        None,
        "not blessed",
    )
    assert "✗ missed: accuracy ≥ 0.80" in Page(render_report(data)).text


def test_gate_relative_to_the_pushed_model_names_difference_and_version(data):
    gate = {
        **{"metric": "accuracy", "rule": ">= pushed - 0.01", "value": 0.735},
        **{"version": 3, "bound": 0.73, "margin": -0.01, "passed": False},
        "difference": {"value": -0.005, "low": -0.021, "high": 0.011},
        **{"same_documents": True, "paired_rows": 1157},
    }
    data["stages"][0]["evaluation"] |= {"blessed": False, "thresholds": [gate]}
    headline = summarize(data)
    difference = "difference -0.005 [-0.021, +0.011] from version 3"
    assert headline.details == [
        f"spam: accuracy must be >= pushed - 0.01 ({difference} on the 1,157 rows of "
        "both), and is 0.735. The whole interval must meet the rule: allow a larger "
        "margin, or measure on more documents."
    ]
    assert headline.stages[0].bound == 0.73
    said = f"≥ pushed - 0.01 ({difference} on the 1,157 rows of both)"
    assert said in Page(render_report(data)).text
    gate["difference"] = {"value": -0.03, "low": -0.04, "high": -0.02}
    assert not summarize(data).details[0].endswith("more documents.")
    gate |= {"same_documents": False, "paired_rows": None}
    said = "from version 3 by its own evaluation, on other documents, not row by row)"
    assert said in Page(render_report(data)).text
    gate |= {"version": None, "bound": None, "passed": True}
    data["stages"][0]["evaluation"] |= {"blessed": True}
    assert "≥ pushed - 0.01 (nothing is pushed yet)" in Page(render_report(data)).text


@pytest.mark.parametrize(
    ("blessed", "pushed", "title", "tone"),
    [
        (True, True, "spam passed its gate, and is pushed", "good"),
        (True, False, "spam passed its gate", "good"),
        (None, True, "spam pushed, without a gate", "plain"),
        (None, False, "Trained and measured", "plain"),
    ],
)
def test_headline_follows_gate_and_push(data, blessed, pushed, title, tone):
    data["stages"][0]["evaluation"]["blessed"] = blessed
    data["stages"][0]["push"]["pushed"] = pushed
    headline = summarize(data)
    assert (headline.title, headline.tone) == (title, tone)


def test_a_stage_is_compared_with_its_linear_model(data):
    majority = {"metrics": {"accuracy": {"value": 0.4}}}
    difference = {"value": 0.0104, "low": 0.0017, "high": 0.0195}
    linear = {
        "metrics": {"accuracy": {"value": 0.829}},
        "differences": {"accuracy": difference},
    }
    data["stages"][0]["evaluation"]["baselines"] = {"majority": majority}
    assert summarize(data).stages[0].compared == "most frequent label 0.4"
    baselines = {"majority": majority, "linear": linear, "encoder": linear}
    data["stages"][0]["evaluation"]["baselines"] = baselines
    sentence = "linear model 0.829, difference +0.0104 [+0.0017, +0.0195]"
    assert summarize(data).stages[0].compared == sentence
    data["stages"][0]["evaluation"]["baselines"] = {}
    assert summarize(data).stages[0].compared is None


def test_headline_names_all_stages_that_passed(data):
    second = copy.deepcopy(data["stages"][0])
    data["stages"].append(second | {"name": "tone"})
    assert summarize(data).title == "spam and tone passed their gates, and are pushed"


def test_main_metric_is_the_first_of_the_task():
    metrics = {"accuracy": 0.3, "loss": 4.4}
    assert headline_metric("masked_lm", metrics) == "loss"
    assert headline_metric("classify", metrics) == "accuracy"
    assert headline_metric(None, metrics | {"perplexity": 81.5}) == "loss"
    assert headline_metric("classify", {}) is None
