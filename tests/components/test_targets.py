"""Targets on their way: documents, rows, a toy task, predictions and metrics."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.components.test_line import SHAPE
from tests.conftest import sentences
from tests.plugins import install
from textmill.components.artifacts import (
    Documents,
    Evaluation,
    Predictions,
    TokenRows,
    TrainedModel,
    TrainingLogs,
)
from textmill.components.base import Context
from textmill.components.evaluator import EvaluatorConfig, evaluate
from textmill.components.ingester import IngesterConfig, ingest
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.sampling.config import SplitConfig
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.predictor import PredictorConfig, predict
from textmill.components.tokenizer import RowLayout, tokenize
from textmill.components.trainer import TrainerConfig, train
from textmill.models.errors import ConfigError, DataError
from textmill.models.rows import RowReader, RowSchema
from textmill.models.targets import TARGETS
from textmill.models.training.config import TrainingConfig
from textmill.pipeline.config.load import parse_config
from textmill.pipeline.publish import seal

TOYS = Path(__file__).parents[1] / "models/tasks"
CONFIG = """
name: toys
datasets: {lines: {source: {jsonl: lines.jsonl%s}}}
vocabulary: {kind: wordpiece, size: 80, learn_from: lines}
model: {family: bert, layers: 1, width: 8, heads: 1, sequence_length: 8}
stages:
  toy:
    task: %s
    dataset: lines
    train: {steps: 10}
"""


@pytest.fixture
def plugged_in(tmp_path, monkeypatch):
    files = TOYS / "toy_targets.py", TOYS / "toy_target_rows.py"
    for name in ("measure", "choose", "count"):
        row = f"toy_targets_project.toy_target_rows:{name.upper()}"
        install(tmp_path / "site", "textmill.tasks", name, row, *files)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield
    for name in [name for name in sys.modules if name.startswith("toy_targets")]:
        del sys.modules[name]


def ingested(folder, **target):
    """Returns documents with the words, their number and the verb of a sentence."""
    lines = []
    for row in sentences():
        words = row["text"].rstrip(".").split()
        lines.append(row | {"words": words[1:], "size": len(words), "verb": words[2]})
    (folder / "lines.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines))
    source = SourceConfig(jsonl=str(folder / "lines.jsonl"), id="id", **target)
    documents = Documents(folder / "documents")
    split = SplitConfig(train=0.6, eval=0.2, test=0.2)
    dataset = DatasetConfig(source=source, split=split)
    ingest(
        documents=documents,
        config=IngesterConfig(dataset=dataset),
        context=Context(),
    )
    seal(documents)
    return documents


def tokenized(folder, documents, vocabulary, target):
    rows = TokenRows(folder / f"rows-{target}")
    layout = RowLayout(sequence_length=24, target=target)
    tokenize(
        documents=documents,
        vocabulary=vocabulary,
        rows=rows,
        config=layout,
        context=Context(),
    )
    seal(rows)
    return rows


def trained(folder, rows, vocabulary, task):
    model, logs = TrainedModel(folder / "model"), TrainingLogs(folder / "logs")
    config = TrainingConfig(steps=4, learning_rate=1e-3, log_every=2, xla=False)
    train(
        rows=rows,
        vocabulary=vocabulary,
        base=None,
        model=model,
        logs=logs,
        config=TrainerConfig(task=task, model=SHAPE, train=config),
        context=Context(),
    )
    seal(model)
    return model


@pytest.mark.parametrize(
    ("task", "kind", "column", "dtype"),
    [
        ("choose", "labels", "words", np.uint8),
        ("measure", "number", "size", np.float32),
    ],
)
def test_a_target_goes_from_documents_to_predictions_and_metrics(
    task, kind, column, dtype, plugged_in, vocabulary, tmp_path
):
    documents = ingested(tmp_path, **{kind: column})
    expected = [document[kind] for document in documents.read("test")]
    rows = tokenized(tmp_path, documents, vocabulary, kind)
    labels = rows.facts["labels"]
    assert labels == documents.labels
    reader = RowReader(rows.shards("test"), RowSchema.of(rows.facts))
    stored = reader.take(np.arange(len(reader)))[kind]
    assert stored.dtype == dtype
    assert TARGETS[kind].decode(stored, labels) == expected
    model = trained(tmp_path, rows, vocabulary, task)
    predictions = Predictions(tmp_path / "predictions")
    predict(
        documents=documents,
        rows=rows,
        model=model,
        predictions=predictions,
        config=PredictorConfig(slices=("verb",)),
    )
    seal(predictions)
    [columns] = predictions.read_groups()
    assert TARGETS[kind].decode(columns["target"], labels) == expected
    assert columns["id"] == [document["id"] for document in documents.read("test")]
    evaluation = Evaluation(tmp_path / "evaluation")
    evaluate(
        predictions=predictions,
        documents=documents,
        model=model,
        evaluation=evaluation,
        config=EvaluatorConfig(),
    )
    seal(evaluation)
    result = evaluation.read()
    assert result["metrics"]["loss"]["value"] == pytest.approx(
        float(columns["loss"].mean())
    )
    verbs = {document["verb"] for document in documents.read("test")}
    assert set(result["slices"]["verb"]) == verbs
    assert "confusion" not in result


def test_a_task_may_predict_whole_documents_by_the_served_graph(
    plugged_in, vocabulary, tmp_path
):
    documents = ingested(tmp_path, labels="words")
    rows = tokenized(tmp_path, documents, vocabulary, "labels")
    predictions = Predictions(tmp_path / "predictions")
    predict(
        documents=documents,
        rows=rows,
        model=trained(tmp_path, rows, vocabulary, "count"),
        predictions=predictions,
        config=PredictorConfig(slices=("verb",), batch=3),
    )
    seal(predictions)
    [columns] = predictions.read_groups()
    tested = list(documents.read("test"))
    assert columns["copy"] == [document["text"] for document in tested]
    assert [json.loads(words) for words in columns["target"]] == [
        document["labels"] for document in tested
    ]
    assert columns["verb"] == [document["verb"] for document in tested]
    reader = RowReader(rows.shards("test"), RowSchema.of(rows.facts))
    lengths = np.minimum(reader.lengths(), SHAPE.sequence_length)
    assert columns["tokens"].tolist() == lengths.tolist()


def test_documents_with_another_target_are_refused(vocabulary, tmp_path):
    documents = ingested(tmp_path, number="size")
    with pytest.raises(DataError) as error:
        tokenized(tmp_path, documents, vocabulary, "labels")
    message = "expected documents with target labels, got number; name their column"
    assert message in str(error.value)
    rows = tokenized(tmp_path, documents, vocabulary, "none")
    assert rows.facts["schema"]["labelled"] is False


def test_a_data_set_without_the_tasks_target_is_a_config_error(plugged_in, tmp_path):
    for task, key in (("measure", "number"), ("choose", "labels")):
        with pytest.raises(ConfigError) as error:
            parse_config(CONFIG % (", label: label", task), tmp_path / "toys.yaml")
        expected = f"expected a data set with a {key} column for task {task}"
        assert expected in str(error.value)
        assert f"name the column in datasets.lines.source.{key}" in str(error.value)
        config = CONFIG % (f", {key}: of", task)
        assert parse_config(config, tmp_path / "toys.yaml").config.stages["toy"]
