"""A new model and the pushed one, compared row by row."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.components.evaluator.test_engine import write
from tests.conftest import write_documents
from textmill.components.artifacts import (
    Evaluation,
    PushedModel,
    PushedVersion,
    ServingModel,
    TrainedModel,
    Validation,
)
from textmill.components.base import Context
from textmill.components.evaluator import EvaluatorConfig, evaluate
from textmill.components.evaluator.thresholds import Baseline, check_thresholds
from textmill.components.pusher import PusherConfig, push
from textmill.models.errors import IntegrityError
from textmill.models.metrics import METRICS
from textmill.models.metrics.difference import paired_differences
from textmill.models.metrics.metric import PredictionFacts
from textmill.pipeline.publish import seal

LABELS = ["ham", "spam"]
TEXTS = [
    {"id": f"id{i}", "text": f"text {i}", "label": LABELS[i % 2]} for i in range(60)
]
TRAIN = [{"id": f"t{i}", "text": f"t {i}", "label": LABELS[i < 3]} for i in range(10)]
FIRST = np.arange(60) % 4 != 0  # three of four are right
SECOND = FIRST | (np.arange(60) == 8)  # one more


def sealed(artifact, name="file"):
    artifact.file(name).write_text(artifact.path.as_posix())
    seal(artifact)
    return artifact


def evaluated(folder, correct, *, texts=TEXTS, rule=None, pushed=None, **inputs):
    """Returns the evaluation of a model that is right about some texts, by id."""
    documents = write_documents(folder / "documents", {"train": TRAIN, "test": texts})
    rows = list(documents.read("test"))
    target = np.array([LABELS.index(row["label"]) for row in rows], np.int32)
    right = np.array([correct[int(row["id"][2:])] for row in rows])
    probabilities = np.where(np.arange(2) == (target ^ ~right)[:, None], 0.9, 0.1)
    columns = {
        "id": [row["id"] for row in rows],
        "target": target,
        "probabilities": pa.FixedSizeListArray.from_arrays(
            pa.array(probabilities.astype(np.float32).ravel()), 2
        ),
    }
    predictions = write(folder / "p", columns, task="classify", labels=LABELS)
    model = TrainedModel(folder / "model")
    model.facts = {"vocabulary": "v", "task_config": {}}
    evaluation = Evaluation(folder / "evaluation")
    evaluate(
        predictions=predictions,
        documents=documents,
        model=sealed(model),
        evaluation=evaluation,
        config=EvaluatorConfig(
            thresholds={"accuracy": rule} if rule else {},
            pushed=str(pushed) if pushed else None,
        ),
        **inputs,
    )
    seal(evaluation)
    return evaluation


@pytest.fixture
def served(tmp_path):
    """The folder of a pushed model that is right about FIRST."""
    evaluation = evaluated(tmp_path / "old", FIRST)
    serving = ServingModel(tmp_path / "serving")
    serving.facts = {
        "model": evaluation.facts["model"],
        "formats": ["saved_model"],
    }
    sealed(serving, f"{serving.SAVED_MODEL}/{PushedVersion.MODEL}")
    validation = Validation(tmp_path / "validation")
    validation.facts = {"serving": serving.seal}
    validation.file(validation.FILE).write_text("{}")
    push(
        serving=serving,
        evaluation=evaluation,
        validation=sealed(validation),
        pushed=PushedModel(tmp_path / "push"),
        config=PusherConfig(destinations=(str(tmp_path / "served"),)),
        context=Context(),
    )
    return tmp_path / "served"


def outcome(evaluation):
    [threshold] = evaluation.read()["thresholds"]
    return threshold


def test_the_same_rows_are_compared_one_by_one(served, tmp_path):
    rule = ">= pushed - 0.01"
    new = outcome(evaluated(tmp_path / "new", SECOND, rule=rule, pushed=served))
    assert (new["version"], new["paired_rows"]) == (1, 60)
    assert new["difference"]["value"] == pytest.approx(1 / 60)
    # One row differs, so that no resample is below 0.
    assert (new["difference"]["low"], new["passed"]) == (0.0, True)


def test_rows_are_found_again_in_a_larger_data_set(served, tmp_path):
    more = [
        {"id": f"id{i}", "text": f"more {i}", "label": LABELS[i % 2]}
        for i in range(60, 80)
    ]
    correct = np.append(SECOND, np.zeros(20, bool))
    new = outcome(
        evaluated(
            tmp_path / "new", correct, texts=[*more, *TEXTS], rule=">= pushed",
            pushed=served,
        )
    )  # fmt: skip
    assert (new["paired_rows"], new["same_documents"]) == (60, False)
    assert new["difference"]["value"] == pytest.approx(1 / 60)


def test_other_rows_are_compared_by_the_evaluation_of_the_pushed_model(
    served, tmp_path
):
    others = [row | {"text": f"other {row['text']}"} for row in TEXTS]
    new = outcome(
        evaluated(
            tmp_path / "new", SECOND, texts=others, rule=">= pushed - 0.01",
            pushed=served,
        )
    )  # fmt: skip
    assert (new["paired_rows"], new["same_documents"]) == (None, False)
    assert new["difference"]["value"] == pytest.approx(1 / 60)
    assert new["difference"]["low"] < -0.1
    assert not new["passed"]


def test_altered_rows_of_a_pushed_model_are_an_integrity_error(served, tmp_path):
    path = served / "1" / PushedVersion.ROWS
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(IntegrityError, match="evaluation_rows"):
        evaluated(tmp_path / "new", SECOND, rule=">= pushed", pushed=served)


def test_the_majority_baseline_answers_with_the_shares_of_train(tmp_path):
    measured = evaluated(tmp_path, FIRST).read()
    majority = measured["baselines"]["majority"]
    # Train has seven ham and three spam, test half of each.
    assert majority["metrics"]["accuracy"]["value"] == 0.5
    loss = -(np.log(np.float32(0.7)) + np.log(np.float32(0.3))) / 2
    assert majority["metrics"]["loss"]["value"] == pytest.approx(loss)
    assert majority["differences"]["accuracy"]["value"] == pytest.approx(0.25)
    assert majority["calibration"]["ece"]["value"] == pytest.approx(0.2)


def test_documents_read_in_pretraining_are_counted(tmp_path):
    texts = [{"id": f"p{i}", "text": f"text {i}"} for i in range(30, 90)]
    before = write_documents(tmp_path / "before", {"train": texts})
    none = write_documents(tmp_path / "none", {"train": TRAIN})
    evaluation = evaluated(
        tmp_path / "new", FIRST, pretraining={"before": before, "none": none}
    )
    seen = {"before": {"documents": 30, "share": 0.5, "is_estimate": False}}
    assert evaluation.read()["seen_in_pretraining"] == seen
    assert evaluation.stage_summary()["seen_in_pretraining"] == seen


def test_the_summary_has_the_calibration_without_its_tables(tmp_path):
    summary = evaluated(tmp_path, FIRST).stage_summary()
    assert set(summary["calibration"]) == {"ece", "ece_by_chance", "brier", "aurc"}
    assert summary["calibration"]["ece"]["value"] == pytest.approx(0.15)
    assert json.dumps(summary).count("reliability") == 0


def retrained(generator, difficulty, *, worse=0.0):
    """Correct answers of another model of a recipe; some rights become wrong."""
    correct = generator.random(len(difficulty)) < difficulty
    return correct & (generator.random(len(difficulty)) >= worse / difficulty.mean())


def passes(new, old, rule):
    facts = PredictionFacts(labels=("a", "b"))
    one, other = (
        {"accuracy": np.stack([correct, np.ones(len(new))]).astype(float)}
        for correct in (new, old)
    )
    metrics = {"accuracy": METRICS["accuracy"].load()}
    differences = paired_differences(metrics, one, other, facts, seed=1)
    values = [{"accuracy": {"value": correct.mean()}} for correct in (new, old)]
    pushed = Baseline(1, {"metrics": values[1]}, differences=differences)
    [threshold] = check_thresholds(values[0], {"accuracy": rule}, pushed)
    return threshold["passed"]


def test_a_gate_with_a_margin_neither_ratchets_nor_lets_a_worse_model_pass():
    generator = np.random.default_rng(8)
    # Two models of one recipe differ in every twelfth row.
    difficulty = generator.beta(0.2, 0.066, 200)
    rule, served, num_passed = ">= pushed - 0.08", None, 0
    best, num_best = 0.0, 0
    for number in range(35):
        new = retrained(generator, difficulty)
        if served is None or passes(new, served, rule):
            served, num_passed = new, num_passed + (number >= 15)
        if new.mean() >= best:
            best, num_best = new.mean(), num_best + (number >= 15)
    # A comparison of values alone rejects nearly all models of the same recipe.
    assert num_passed >= 14
    assert num_best <= 4
    worse = [
        passes(
            retrained(generator, difficulty, worse=0.08),
            retrained(generator, difficulty),
            rule,
        )
        for _ in range(20)
    ]
    assert sum(worse) <= 2
