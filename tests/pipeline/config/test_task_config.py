"""The knobs of a task are keys of ``train`` in its stages, and of no other stage."""

import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.plugins import install
from textmill.models.errors import ConfigError
from textmill.models.tasks import TASKS
from textmill.models.tasks.config import CausalLMConfig, MaskedLMConfig, NoTaskConfig
from textmill.models.training.config import TrainingConfig
from textmill.pipeline.config.load import parse_config
from textmill.pipeline.config.schema import config_schema, render_config
from textmill.pipeline.create_pipeline import create_pipeline

TEXT = """\
name: tiny
datasets:
  lines: {source: {jsonl: lines.jsonl, label: kind}}
vocabulary: {kind: wordpiece, size: 80, learn_from: lines}
model: {family: bert, layers: 1, width: 16, heads: 2, sequence_length: 8}
stages:
  one:
    task: TASK
    dataset: lines
    train: {steps: 3, KNOBS}
"""


@pytest.fixture
def parse(tmp_path):
    """Returns the loaded config of one stage."""

    def parse(task, knobs=""):
        text = TEXT.replace("TASK", task).replace("KNOBS", knobs)
        if task == "causal_lm":
            text = text.replace("family: bert", "family: gpt")
        return parse_config(text, tmp_path / "c.yaml")

    return parse


@pytest.fixture
def copy_task(tmp_path, monkeypatch):
    source = Path(__file__).with_name("toy_task_row.py")
    install(tmp_path / "site", "textmill.tasks", "copy", "toy_task_row:ROW", source)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield
    sys.modules.pop("toy_task_row", None)


@pytest.mark.parametrize(
    ("task", "knobs", "config"),
    [
        ("masked_lm", "", MaskedLMConfig()),
        (
            "masked_lm",
            "mask_rate: 0.3, mask_span: ngram, longest_span: 2",
            MaskedLMConfig(mask_rate=0.3, mask_span="ngram", longest_span=2),
        ),
        ("causal_lm", "loss_chunk: 8", CausalLMConfig(loss_chunk=8)),
        ("classify", "", NoTaskConfig()),
    ],
)
def test_the_knobs_of_a_task_reach_its_trainer_apart(
    task, knobs, config, parse, tmp_path
):
    loaded = parse(task, knobs)
    assert loaded.config.stages["one"].task_config == config
    trainer = create_pipeline(loaded, tmp_path).node("train.one")
    assert trainer.config.task_config == config
    assert trainer.config.train == TrainingConfig(steps=3)


GROUPED = """\
name: tiny
datasets:
  raw: {source: {jsonl: raw.jsonl}}
  lines:
    source: {jsonl: lines.jsonl, label: kind, id: number}
    split: {by: BY}
vocabulary: {kind: wordpiece, size: 80, learn_from: lines}
model: {family: bert, layers: 1, width: 16, heads: 2, sequence_length: 8}
stages:
  read: {task: masked_lm, dataset: raw, train: {steps: 3}}
  reread: {task: masked_lm, dataset: lines, init: read, train: {steps: 3}}
  kind: {task: classify, dataset: lines, init: reread, train: {steps: 3}}
"""


@pytest.mark.parametrize(
    ("by", "group"), [("author", "author"), ("id", None), ("number", None)]
)
def test_the_column_of_the_split_is_the_group_of_predictions(by, group, tmp_path):
    loaded = parse_config(GROUPED.replace("BY", by), tmp_path / "c.yaml")
    pipeline = create_pipeline(loaded, tmp_path)
    for step in ("predict", "predict_linear"):
        assert pipeline.node(f"{step}.kind").config.group == group


def test_an_evaluation_reads_the_data_sets_of_earlier_stages(tmp_path):
    loaded = parse_config(GROUPED.replace("BY", "id"), tmp_path / "c.yaml")
    pipeline = create_pipeline(loaded, tmp_path)
    # The stage's own data set has disjoint splits.
    assert set(pipeline.node("evaluate.kind").inputs["pretraining"]) == {"raw"}
    assert "pretraining" not in pipeline.node("evaluate.read").inputs
    for action, is_read in (("drop", False), ("tag", True)):
        apart = f"raw.jsonl}}, decontaminate: {{against: [lines], action: {action}}}}}"
        text = GROUPED.replace("BY", "id").replace("raw.jsonl}}", apart)
        pipeline = create_pipeline(parse_config(text, tmp_path / "c.yaml"), tmp_path)
        assert ("pretraining" in pipeline.node("evaluate.kind").inputs) is is_read


def test_a_training_and_its_evaluation_read_the_corpus_of_the_embeddings(tmp_path):
    text = GROUPED.replace("BY", "id").replace("init: reread", "embeddings: raw")
    pipeline = create_pipeline(parse_config(text, tmp_path / "c.yaml"), tmp_path)
    raw = pipeline.node("ingest.raw").outputs["documents"]
    assert pipeline.node("train.kind").inputs["corpus"] == raw
    assert pipeline.node("evaluate.kind").inputs["pretraining"] == {"raw": raw}


def test_a_plugged_in_task_has_its_own_knobs(copy_task, parse, tmp_path):
    loaded = parse("copy", "copy_rate: 0.2, marks: [a, b]")
    config = loaded.config.stages["one"].task_config
    assert asdict(config) == {"copy_rate": 0.2, "marks": ("a", "b")}
    again = parse_config(render_config(loaded.config), tmp_path / "c.yaml")
    assert again.config == loaded.config
    knobs = config_schema()["$defs"]["TrainingConfig"]["properties"]
    assert knobs["copy_rate"]["description"] == (
        "copy only: Share of the tokens to copy."
    )
    assert knobs["mask_rate"]["default"] == 0.15


@pytest.mark.parametrize(
    ("task", "knobs", "sentence"),
    [
        (
            "classify",
            "mask_rate: 0.3",
            "10:23 stages.one.train.mask_rate: expected a knob of task classify, got "
            "'mask_rate'; mask_rate belongs to task masked_lm",
        ),
        (
            "copy",
            "loss_chunk: 8",
            "10:23 stages.one.train.loss_chunk: expected a knob of task copy, got "
            "'loss_chunk'; loss_chunk belongs to task causal_lm or respond",
        ),
        (
            "causal_lm",
            "loss_chunk: 0",
            "10:23 stages.one.train.loss_chunk: expected a number of 1 or more, got 0",
        ),
        (
            "masked_lm",
            "longest_span: 3",
            "10:5 stages.one.train: expected mask_span with longest_span, got none",
        ),
        (
            "copy",
            "copy_rate: no",
            "10:23 stages.one.train.copy_rate: expected a number, got 'no'",
        ),
        (
            "copy",
            "copy_rate: 0",
            "10:5 stages.one.train: expected copy_rate above 0, got 0.0",
        ),
        (
            "copy",
            "copyrate: 1",
            "10:23 stages.one.train.copyrate: expected a known key, got 'copyrate'; "
            "did you mean 'copy_rate'?",
        ),
        (
            "masked_lm",
            "marks: [a]",
            "10:23 stages.one.train.marks: expected a knob of task masked_lm, got "
            "'marks'; marks belongs to task copy",
        ),
        (
            "masked",
            "mask_rate: 0.3",
            f"8:5 stages.one.task: expected a task ({', '.join(TASKS)}, copy), got "
            "'masked'; did you mean 'masked_lm'?",
        ),
    ],
)
def test_knobs_that_a_task_does_not_take(task, knobs, sentence, copy_task, parse):
    with pytest.raises(ConfigError) as raised:
        parse(task, knobs)
    _, _, line = str(raised.value).partition("c.yaml:")
    assert line == sentence


def test_loss_chunk_of_the_model_has_moved(tmp_path):
    text = TEXT.replace("TASK", "masked_lm").replace(", KNOBS", "")
    text = text.replace("{family: bert,", "{family: bert, loss_chunk: 8,")
    with pytest.raises(ConfigError) as raised:
        parse_config(text, tmp_path / "c.yaml")
    assert str(raised.value).endswith(
        "c.yaml:5:23 model.loss_chunk: expected a known key, got 'loss_chunk'; did you "
        "mean 'stages.NAME.train.loss_chunk'?"
    )
