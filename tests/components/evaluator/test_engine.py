"""Metrics of predictions, against scikit-learn and by hand."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics as sklearn

from textmill.components.artifacts import Evaluation, Predictions, write_json
from textmill.components.evaluator import EvaluatorConfig
from textmill.components.evaluator.engine import measure
from textmill.models.errors import DataError, IntegrityError
from textmill.pipeline.publish import seal

LABELS = ["ham", "news", "spam"]
TRUE = [0, 0, 0, 1, 1, 2, 2, 2, 2, 2]
PREDICTED = [0, 0, 1, 1, 2, 2, 2, 0, 2, 2]
LANGUAGES = ["en"] * 6 + ["zh"] * 4


def write(folder, columns, **facts):
    """Writes and seals predictions in two row groups."""
    predictions = Predictions(folder)
    table = pa.table(columns)
    path = predictions.file("test.parquet")
    pq.write_table(table, path, row_group_size=max(1, len(table) // 2))
    predictions.records["test.parquet"] = len(table)
    predictions.facts = {
        "labels": [],
        "split": "test",
        "rows": len(table),
        "slices": [],
        "tokens": 0,
        "bytes": 0,
        "model": "m",
        "documents": "d",
    } | facts
    seal(predictions)
    return Predictions(folder)


def classified(folder, true=TRUE, predicted=PREDICTED, labels=LABELS, **more):
    """Predictions with probability 0.7 for the predicted label."""
    rest = 0.3 / (len(labels) - 1)
    values = np.full((len(true), len(labels)), rest, np.float32)
    values[np.arange(len(true)), predicted] = 0.7
    flat = pa.array(values.reshape(-1))
    columns = {
        "id": [str(i) for i in range(len(true))],
        "target": np.array(true, np.int32),
        "probabilities": pa.FixedSizeListArray.from_arrays(flat, len(labels)),
    }
    slices = {name: pa.array(column) for name, column in more.items()}
    return write(
        folder,
        columns | slices,
        task="classify",
        labels=labels,
        slices=list(more),
    )


def language_modelled(folder, **columns):
    arrays = {k: np.array(v, np.float32) for k, v in columns.items()}
    ids = {"id": [str(i) for i in range(len(columns["loss"]))]}
    return write(folder, ids | arrays, task="masked_lm", tokens=30, bytes=120)


def values(result):
    return {name: metric["value"] for name, metric in result["metrics"].items()}


@pytest.mark.parametrize(
    ("true", "predicted"),
    [
        (TRUE, PREDICTED),
        ([0, 1, 2], [0, 1, 2]),
        ([0, 1, 2], [1, 2, 0]),
        ([0, 0, 1, 1], [0, 2, 1, 2]),  # label 2 is predicted and never true
        ([0, 1, 2, 2], [0, 0, 0, 0]),  # labels 1 and 2 are never predicted
        ([0, 0, 1, 1], [0, 0, 1, 1]),  # label 2 neither occurs nor is predicted
    ],
)
def test_accuracy_and_macro_averages_agree_with_scikit_learn(tmp_path, true, predicted):
    result = measure(classified(tmp_path, true, predicted), EvaluatorConfig())
    precision, recall, f1, support = sklearn.precision_recall_fscore_support(
        true, predicted, labels=[0, 1, 2], zero_division=0
    )
    measured = values(result)
    assert measured["accuracy"] == sklearn.accuracy_score(true, predicted)
    macro = sklearn.precision_recall_fscore_support(
        true, predicted, average="macro", zero_division=0
    )
    for name, expected in zip(("precision", "recall", "f1"), macro[:3], strict=True):
        assert measured[f"macro_{name}"] == pytest.approx(expected, abs=1e-12)
    for i, label in enumerate(LABELS):
        scores = result["per_class"][label]
        assert scores["support"] == support[i]
        assert scores["precision"]["value"] == pytest.approx(precision[i])
        assert scores["recall"]["value"] == pytest.approx(recall[i])
        assert scores["f1"]["value"] == pytest.approx(f1[i])
    matrix = sklearn.confusion_matrix(true, predicted, labels=[0, 1, 2])
    assert result["confusion"] == matrix.tolist()


def test_any_number_of_labels_is_measured_by_label_as_in_scikit_learn(tmp_path):
    generator = np.random.default_rng(6)
    true = (generator.random((60, 3)) < [0.5, 0.3, 0.0]).astype(np.uint8)
    scores = (0.4 * true + 0.6 * generator.random((60, 3))).astype(np.float32)
    chosen = (scores > [0.5, 0.4, 0.99]).astype(np.uint8)
    arrays = {"target": true, "scores": scores, "chosen": chosen}
    columns = {
        name: pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), 3)
        for name, values in arrays.items()
    }
    ids = {"id": [str(i) for i in range(60)]}
    predictions = write(tmp_path, ids | columns, task="multilabel", labels=LABELS)
    result = measure(predictions, EvaluatorConfig())
    table = sklearn.precision_recall_fscore_support(true, chosen, zero_division=0)
    for i, label in enumerate(LABELS):
        own = result["per_class"][label]
        assert own["support"] == table[3][i]
        for name, expected in zip(("precision", "recall", "f1"), table, strict=False):
            assert own[name]["value"] == pytest.approx(expected[i], abs=1e-12)
            assert own[name]["low"] <= own[name]["value"] <= own[name]["high"]
    assert result["labels"] == list(LABELS)
    assert "confusion" not in result


def test_the_loss_of_a_classifier_agrees_with_scikit_learn(tmp_path):
    predictions = classified(tmp_path)
    [first, second] = predictions.read_groups()
    probabilities = np.concatenate([first["probabilities"], second["probabilities"]])
    expected = sklearn.log_loss(TRUE, probabilities.astype(float), labels=[0, 1, 2])
    loss = values(measure(predictions, EvaluatorConfig()))["loss"]
    assert loss == pytest.approx(expected, rel=1e-7)


def test_a_probability_of_zero_is_a_large_and_finite_loss(tmp_path):
    columns = {
        "id": ["0", "1"],
        "target": np.array([0, 1], np.int32),
        "probabilities": pa.FixedSizeListArray.from_arrays(
            pa.array(np.array([1, 0, 1, 0], np.float32)), 2
        ),
    }
    written = write(tmp_path, columns, task="classify", labels=["a", "b"])
    loss = values(measure(written, EvaluatorConfig()))["loss"]
    assert loss == pytest.approx(-math.log(1e-30) / 2)


def test_language_metrics_by_hand(tmp_path):
    predictions = language_modelled(
        tmp_path, loss=[6.0, 3.0], weight=[2.0, 1.0], correct=[1.0, 1.0]
    )
    measured = values(measure(predictions, EvaluatorConfig()))
    assert set(measured) == {"loss", "perplexity", "bits_per_byte", "accuracy"}
    assert measured["loss"] == 3.0
    assert measured["perplexity"] == pytest.approx(math.e**3)
    # 30 tokens in 120 bytes: a quarter of a token's bits for each byte.
    assert measured["bits_per_byte"] == pytest.approx(3.0 / math.log(2) / 4)
    assert measured["accuracy"] == pytest.approx(2 / 3)


def test_next_sentence_accuracy_is_measured_where_rows_are_pairs(tmp_path):
    ones = [1.0, 1.0, 1.0, 1.0]
    predictions = language_modelled(
        tmp_path, loss=ones, weight=ones, correct=ones,
        next_correct=[1.0, 0.0, 1.0, 1.0], rows=ones,
    )  # fmt: skip
    assert values(measure(predictions, EvaluatorConfig()))["next_accuracy"] == 0.75


def test_slices_are_the_metrics_of_their_rows(tmp_path):
    whole = measure(classified(tmp_path / "all", language=LANGUAGES), EvaluatorConfig())
    english = measure(
        classified(tmp_path / "en", TRUE[:6], PREDICTED[:6]), EvaluatorConfig()
    )
    assert whole["slices"]["language"]["en"] == {"rows": 6, **english["metrics"]}
    chinese = whole["slices"]["language"]["zh"]
    assert (chinese["rows"], chinese["accuracy"]["value"]) == (4, 0.75)


def test_every_interval_contains_its_value(tmp_path):
    result = measure(classified(tmp_path, language=LANGUAGES), EvaluatorConfig())
    intervals = [*result["metrics"].values()]
    intervals += [scores["f1"] for scores in result["per_class"].values()]
    for interval in intervals:
        assert interval["low"] <= interval["value"] <= interval["high"]


def test_the_same_predictions_and_seed_give_the_same_intervals(tmp_path):
    predictions = classified(tmp_path)
    first = measure(predictions, EvaluatorConfig(seed=1))
    assert measure(predictions, EvaluatorConfig(seed=1)) == first
    assert measure(predictions, EvaluatorConfig(seed=2)) != first


def test_one_label_in_all_rows_is_an_error(tmp_path):
    predictions = classified(tmp_path, [1, 1, 1], [1, 1, 0])
    with pytest.raises(DataError, match="all 3 rows are 'news'"):
        measure(predictions, EvaluatorConfig())


def test_a_baseline_has_its_metrics_and_the_difference_to_the_model(tmp_path):
    model = classified(tmp_path / "model")
    baseline = classified(tmp_path / "linear", predicted=[0, 1, 1, 1, 2, 2, 2, 0, 0, 2])
    measured = measure(model, EvaluatorConfig(), {"linear": baseline})
    linear = measured["baselines"]["linear"]
    assert measured["metrics"]["accuracy"]["value"] == 0.7
    assert linear["metrics"]["accuracy"]["value"] == 0.5
    assert linear["differences"]["accuracy"]["value"] == pytest.approx(0.2)
    assert set(linear["differences"]) == set(measured["metrics"])


def test_a_baseline_of_other_rows_is_refused(tmp_path):
    model = classified(tmp_path / "model")
    fewer = classified(tmp_path / "linear", true=TRUE[:9], predicted=PREDICTED[:9])
    with pytest.raises(IntegrityError, match="different rows; run the pipeline again"):
        measure(model, EvaluatorConfig(), {"linear": fewer})


def test_labels_without_a_row_are_named_in_the_summary(tmp_path):
    measured = measure(
        classified(tmp_path / "p", [0, 0, 1], [0, 1, 1]), EvaluatorConfig()
    )
    evaluation = Evaluation(tmp_path / "evaluation")
    evaluation.path.mkdir()
    fields = {"split": "test", "thresholds": [], "blessed": None}
    write_json(evaluation.file(Evaluation.FILE), measured | fields)
    evaluation.facts = {"blessed": None}
    seal(evaluation)
    assert evaluation.stage_summary()["absent_labels"] == [LABELS[2]]
