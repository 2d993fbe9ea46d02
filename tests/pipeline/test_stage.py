"""The nodes of a stage for every kind of model."""

from pathlib import Path

import pytest

from textmill.models.errors import ConfigError
from textmill.pipeline.config.load import parse_config
from textmill.pipeline.create_pipeline import create_pipeline

CONFIG = """\
name: tiny
datasets:
  mails: {{source: {{jsonl: mails.jsonl, label: label}}}}
vocabulary: {{kind: wordpiece, size: 80, learn_from: mails}}
model: {model}
stages:
  topic: {{task: classify, dataset: mails, {stage}}}
"""
ENCODER = ["tokenize", "train", "predict"]
LINEAR = ["linear", "predict_linear"]


def nodes_of(tmp_path: Path, model: str, stage: str) -> dict:
    text = CONFIG.format(model=model, stage=stage)
    loaded = parse_config(text, tmp_path / "tiny.yaml")
    nodes = create_pipeline(loaded, tmp_path).nodes
    return {
        node.id.removesuffix(".topic"): node
        for node in nodes
        if node.id.endswith(".topic")
    }


@pytest.mark.parametrize(
    "model, stage, expected, parts, baselines",
    [
        (
            "{width: 16}",
            "train: {steps: 3}",
            {*ENCODER, *LINEAR},
            {"encoder", "linear"},
            {"linear", "encoder"},
        ),
        (
            "{width: 16, ngrams: {orders: [1]}}",
            "train: {steps: 3}, evaluate: {baseline: none}",
            {*ENCODER, *LINEAR},
            {"encoder", "linear"},
            set(),
        ),
        (
            "{width: 16, ngrams: false}",
            "train: {steps: 3}",
            {*ENCODER, *LINEAR},
            {"encoder"},
            {"linear"},
        ),
        (
            "{width: 16, ngrams: false}",
            "train: {steps: 3}, evaluate: {baseline: none}",
            {*ENCODER},
            {"encoder"},
            set(),
        ),
        ("{family: linear}", "calibrate: {abstain: 0.1}", {*LINEAR}, {"linear"}, set()),
    ],
)
def test_a_classifier_joins_the_parts_that_its_model_has(
    tmp_path, model, stage, expected, parts, baselines
):
    nodes = nodes_of(tmp_path, model, stage)
    assert set(nodes) == {*expected, "calibrate", "evaluate"}
    joined = set(nodes["calibrate"].inputs)
    assert joined == parts | {f"{part}_predictions" for part in parts}
    evaluated = nodes["evaluate"].inputs
    assert evaluated["predictions"].producer == "calibrate.topic"
    compared = evaluated.get("baselines", {})
    assert baselines <= set(compared)
    assert set(compared) - baselines <= {"majority"}


def test_stages_of_one_data_set_and_layout_share_their_rows(tmp_path):
    stages = {"b": "", "c": "", "d": "tokenize: {examples: true}, ", "e": "folds: 2, "}
    text = CONFIG.format(model="{width: 16}", stage="train: {steps: 3}") + "".join(
        f"  {name}: {{task: classify, dataset: mails, {more}train: {{steps: 4}}}}\n"
        for name, more in stages.items()
    )
    pipeline = create_pipeline(parse_config(text, tmp_path / "tiny.yaml"), tmp_path)
    rows = {
        node.id: node.inputs["rows"].producer
        for node in pipeline.nodes
        if node.id.startswith("train.")
    }
    assert rows == {
        "train.topic": "tokenize.topic",
        "train.b": "tokenize.topic",
        "train.c": "tokenize.topic",
        "train.d": "tokenize.d",
        "train.e.1": "tokenize.e",
        "train.e.2": "tokenize.e",
    }


def test_other_ngrams_do_not_train_the_encoder_again(tmp_path):
    plain, others = (
        nodes_of(tmp_path, f"{{width: 16, ngrams: {ngrams}}}", "train: {steps: 3}")
        for ngrams in ("true", "{orders: [1], max_documents: 50}")
    )
    assert plain["train"].config == others["train"].config
    assert others["linear"].config.linear.orders == (1,)


@pytest.mark.parametrize(
    "model, stage, fault",
    [
        ("{width: 16}", "export: {}", "topic.train: expected train with model.family"),
        ("{family: linear}", "train: {steps: 3}", "topic.train: expected no train"),
        (
            "{family: linear}",
            'evaluate: {thresholds: {accuracy: ">= linear"}}',
            "accuracy: expected a number or the pushed model",
        ),
        ("{width: 16}", "train: {steps: 3}, calibrate: {abstain: 1}", "below 1"),
    ],
)
def test_a_stage_that_does_not_fit_its_model_is_refused(tmp_path, model, stage, fault):
    with pytest.raises(ConfigError, match=fault):
        nodes_of(tmp_path, model, stage)
