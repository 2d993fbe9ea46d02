"""Models of folds become one, which answers as its predictions say."""

import json
from dataclasses import replace
from functools import cached_property

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import write_documents
from textmill.components.artifacts import (
    Documents,
    Evaluation,
    Predictions,
    ServingModel,
    TokenRows,
    TrainedModel,
    TrainingLogs,
)
from textmill.components.base import Context
from textmill.components.calibrator import CalibratorConfig, calibrate
from textmill.components.ensembler import EnsemblerConfig, ensemble
from textmill.components.ensembler.engine import _write_predictions
from textmill.components.evaluator import EvaluatorConfig, evaluate
from textmill.components.exporter import ExporterConfig, export
from textmill.components.fold_splitter import FoldSplitterConfig, split_folds
from textmill.components.linear_trainer import LinearTrainerConfig, train_linear
from textmill.components.predictor import PredictorConfig, predict
from textmill.components.predictor.saved_model import load_saved_model, predict_texts
from textmill.components.tokenizer import RowLayout, tokenize
from textmill.components.trainer import TrainerConfig, _train_rows, train
from textmill.models.config import ModelConfig
from textmill.models.errors import IntegrityError
from textmill.models.rows import RowSchema
from textmill.models.servable import load_servable
from textmill.models.tasks.server import ServingOptions
from textmill.models.training.config import TrainingConfig
from textmill.pipeline.publish import seal

SHAPE = ModelConfig(layers=1, width=32, heads=2, sequence_length=24, dropout=0.0)
TRAINING = TrainingConfig(steps=8, global_batch=8, learning_rate=1e-2, xla=False)


class Line:
    """Everything up to the models and predictions of two folds."""

    def __init__(self, documents, vocabulary, root):
        self.documents, self.vocabulary, self.root = documents, vocabulary, root
        self.folds, self.rows = Documents(root / "folds"), TokenRows(root / "rows")
        config = FoldSplitterConfig(num_folds=2)
        split_folds(documents=documents, folds=self.folds, config=config)
        seal(self.folds)
        tokenize(
            documents=self.folds,
            vocabulary=vocabulary,
            rows=self.rows,
            config=RowLayout(sequence_length=24, target="label"),
            context=Context(),
        )
        seal(self.rows)

    @cached_property
    def encoder(self):
        return self.by_fold("encoder", self.train)

    @cached_property
    def linear(self):
        return self.by_fold("linear", self.train_linear)

    def train(self, model, fold, *, teacher=None, **knobs):
        config = TrainerConfig(
            task="classify",
            model=SHAPE,
            train=replace(TRAINING, **knobs),
            fold=fold,
            seed=fold,
        )
        train(
            rows=self.rows,
            vocabulary=self.vocabulary,
            teacher=teacher,
            model=model,
            logs=TrainingLogs(model.path.parent / "logs"),
            config=config,
            context=Context(),
        )
        return self.rows

    def train_linear(self, model, fold):
        config = LinearTrainerConfig(task="classify", fold=fold)
        train_linear(
            documents=self.folds,
            vocabulary=self.vocabulary,
            model=model,
            config=config,
        )

    def by_fold(self, part, trainer):
        models, predictions = {}, {}
        for fold in (1, 2):
            folder = self.root / part / str(fold)
            models[str(fold)] = TrainedModel(folder / "model")
            predictions[str(fold)] = Predictions(folder / "predictions")
            rows = trainer(models[str(fold)], fold)
            seal(models[str(fold)])
            self.predict(models[str(fold)], predictions[str(fold)], fold, rows)
        return models, predictions

    def predict(self, model, predictions, fold, rows):
        predict(
            documents=self.folds,
            rows=rows,
            model=model,
            predictions=predictions,
            config=PredictorConfig(held_out=True, fold=fold),
        )
        seal(predictions)


@pytest.fixture(scope="module")
def line(documents, vocabulary, tmp_path_factory):
    return Line(documents, vocabulary, tmp_path_factory.mktemp("line"))


def combined(parts, folder, mean="probabilities", held_out=None):
    model, predictions = TrainedModel(folder / "m"), Predictions(folder / "p")
    ensemble(
        members=parts[0],
        member_predictions=parts[1],
        model=model,
        predictions=predictions,
        config=EnsemblerConfig(mean=mean, held_out=held_out),
    )
    seal(model)
    seal(predictions)
    return model, predictions


def calibrated(folder, **parts):
    model, predictions = TrainedModel(folder / "m"), Predictions(folder / "p")
    inputs = {}
    for name, (part, part_predictions) in parts.items():
        inputs |= {name: part, f"{name}_predictions": part_predictions}
    config = CalibratorConfig()
    calibrate(model=model, predictions=predictions, config=config, **inputs)
    seal(model)
    seal(predictions)
    return model, predictions


def rows_of(predictions, split):
    [group] = predictions.read_groups(split)
    return group


def test_a_document_is_predicted_by_the_model_that_has_not_seen_it(line, tmp_path):
    _, predictions = combined(line.encoder, tmp_path)
    rows = rows_of(predictions, "folds")
    assert rows["id"] == [d["id"] for d in line.folds.read("fold_1", "fold_2")]
    for fold in (1, 2):
        own = rows_of(line.encoder[1][str(fold)], f"fold_{fold}")
        of_fold = rows["probabilities"][rows["fold"] == fold]
        assert np.array_equal(of_fold, own["probabilities"])


@pytest.mark.parametrize("mean", ["probabilities", "logits"])
def test_an_ensemble_answers_as_its_predictions(line, tmp_path, mean):
    parts = combined(line.encoder, tmp_path / "ensemble", mean)
    members = [rows_of(p, "test")["probabilities"] for p in line.encoder[1].values()]
    answers = rows_of(parts[1], "test")["probabilities"]
    if mean == "probabilities":
        assert answers == pytest.approx(np.mean(members, axis=0), abs=1e-6)
    else:
        product = np.prod(np.sqrt(members), axis=0)
        expected = product / product.sum(axis=1, keepdims=True)
        assert answers == pytest.approx(expected, abs=1e-6)
    model, predictions = calibrated(tmp_path / "calibrated", encoder=parts)
    assert answered(line, model) == pytest.approx(
        rows_of(predictions, "test")["probabilities"], abs=1e-5
    )


def test_a_student_learns_from_the_labels_and_from_answers_out_of_fold(line, tmp_path):
    model, predictions = combined(line.encoder, tmp_path / "teachers")
    student, again, alone = (TrainedModel(tmp_path / n / "m") for n in "abc")
    line.train(student, 2, teacher=predictions, length_buckets=True)
    line.train(again, 2, teacher=predictions, length_buckets=True)
    line.train(alone, 2, length_buckets=True)
    for trained in (student, again, alone):
        seal(trained)
    assert student.digest == again.digest != alone.digest
    assert student.facts["parameters"] * 2 == model.facts["parameters"]
    # It has learned from fold 1 alone, whose teacher is the model without fold 1.
    rows = rows_of(predictions, "folds")
    taught = _train_rows(line.rows, 2, RowSchema.of(line.rows.facts), predictions)
    columns = taught.take(np.arange(len(taught)))
    expected = rows_of(line.encoder[1]["1"], "fold_1")
    assert np.array_equal(columns["teacher"], expected["probabilities"])
    assert np.array_equal(columns["label"], rows["target"][rows["fold"] == 1])


def test_the_loss_of_a_student_is_the_mean_of_two_cross_entropies(line):
    task, tokenizer = load_servable(
        line.encoder[0]["1"].path / TrainedModel.WEIGHTS,
        line.encoder[0]["1"].path / TrainedModel.TOKENIZER,
        line.encoder[0]["1"].facts,
    )
    rows = task.example_rows(tokenizer, texts_of(line)[:3])
    teacher = tf.nn.softmax(tf.random.stateless_normal([3, task.num_labels], (1, 2)))
    features = task.features({**rows, "teacher": teacher})
    sums = task.loss_sums(features, training=False)
    shares = tf.nn.log_softmax(task.logits(features)).numpy()
    hard = -shares[np.arange(3), rows["label"].numpy()]
    soft = -(teacher.numpy() * shares).sum(axis=1)
    assert sums["loss"].numpy() == pytest.approx((hard + soft) / 2, rel=1e-5)


def test_a_teacher_of_other_rows_is_refused(line, tmp_path):
    other = dict(line.encoder[1])
    other["1"], other["2"] = other["2"], other["1"]
    predictions = Predictions(tmp_path / "p")
    _write_predictions({1: other["1"], 2: other["2"]}, predictions, "logits")
    seal(predictions)
    with pytest.raises(IntegrityError, match="predictions of other rows than"):
        line.train(TrainedModel(tmp_path / "m"), 2, teacher=predictions)


def test_predictions_of_one_fold_are_those_that_calibrate_a_student(line, tmp_path):
    _, predictions = combined(line.linear, tmp_path, held_out=2)
    own = rows_of(line.linear[1]["2"], "fold_2")
    assert predictions.held_out_split == "fold_2"
    assert rows_of(predictions, "fold_2")["id"] == own["id"]
    assert "folds" not in predictions.facts


def test_linear_models_are_averaged_into_one(line, tmp_path):
    parts = combined(line.linear, tmp_path / "ensemble")
    assert parts[0].facts["model"]["family"] == "linear"
    model, predictions = calibrated(tmp_path / "calibrated", linear=parts)
    assert answered(line, model) == pytest.approx(
        rows_of(predictions, "test")["probabilities"], abs=1e-5
    )


def test_an_exported_ensemble_answers_as_its_predictions(line, tmp_path):
    parts = combined(line.encoder, tmp_path / "ensemble")
    model, predictions = calibrated(tmp_path / "calibrated", encoder=parts)
    check_export(line, model, predictions, tmp_path)


@pytest.mark.slow
def test_an_exported_student_answers_as_its_predictions(line, tmp_path):
    _, teachers = combined(line.encoder, tmp_path / "teachers")
    student, predictions = TrainedModel(tmp_path / "m"), Predictions(tmp_path / "p")
    line.train(student, 2, teacher=teachers)
    seal(student)
    line.predict(student, predictions, 2, line.rows)
    linear = combined(line.linear, tmp_path / "linear", held_out=2)
    parts = {"encoder": (student, predictions), "linear": linear}
    model, joint = calibrated(tmp_path / "calibrated", **parts)
    assert model.facts["held_out"] == len(rows_of(predictions, "fold_2")["id"])
    check_export(line, model, joint, tmp_path)


def check_export(line, model, predictions, folder):
    """Checks that a SavedModel answers the texts of test as the predictions do."""
    serving = ServingModel(folder / "serving")
    export(
        documents=line.documents, model=model, serving=serving, config=ExporterConfig()
    )
    seal(serving)
    runtime = load_saved_model(serving.path / "saved_model")
    answers = predict_texts(runtime, texts_of(line))
    expected = rows_of(predictions, "test")["probabilities"]
    for answer, probabilities in zip(answers, expected, strict=True):
        values = [answer["probabilities"][label] for label in runtime.labels]
        assert values == pytest.approx(probabilities.tolist(), abs=1e-5)


def answered(line, model):
    """Returns the probabilities of the texts of test by the trained model."""
    loaded, tokenizer = load_servable(
        model.path / model.WEIGHTS, model.path / model.TOKENIZER, model.facts
    )
    options = ServingOptions(labels=tuple(model.facts["labels"]))
    answers = loaded.serve(tokenizer, options).reference_answers(texts_of(line))
    return np.array([answer["probabilities"] for answer in answers])


def texts_of(line):
    return [document["text"] for document in line.documents.read("test")]


def evaluated(line, model, predictions, folder):
    evaluation = Evaluation(folder / "evaluation")
    evaluate(
        predictions=predictions,
        documents=line.folds,
        model=model,
        evaluation=evaluation,
        config=EvaluatorConfig(),
    )
    seal(evaluation)
    return evaluation


def test_the_evaluation_has_metrics_of_all_folds_and_of_each(line, tmp_path):
    parts = {
        "encoder": combined(line.encoder, tmp_path / "encoder"),
        "linear": combined(line.linear, tmp_path / "linear"),
    }
    model, predictions = calibrated(tmp_path / "calibrated", **parts)
    evaluation = evaluated(line, model, predictions, tmp_path)
    folds = evaluation.stage_summary()["folds"]
    rows = rows_of(predictions, "folds")
    is_right = rows["probabilities"].argmax(axis=1) == rows["target"]
    assert folds["rows"] == len(is_right) == 80
    assert folds["metrics"]["accuracy"] == pytest.approx(is_right.mean())
    low, high = folds["intervals"]["accuracy"]
    assert low <= folds["metrics"]["accuracy"] <= high
    by_fold = [is_right[rows["fold"] == fold].mean() for fold in (1, 2)]
    assert [
        folds["by_fold"][fold]["metrics"]["accuracy"] for fold in ("1", "2")
    ] == pytest.approx(by_fold)
    assert folds["spread"]["accuracy"] == pytest.approx(np.std(by_fold, ddof=1))
    assert json.dumps(folds)


@pytest.mark.parametrize("held_out", [None, 2])
def test_answers_that_calibrate_and_are_measured_have_a_caution(
    held_out, documents, vocabulary, tmp_path
):
    splits = {split: documents.read(split) for split in ("train", "eval")}
    known = write_documents(tmp_path / "documents", splits)
    line = Line(known, vocabulary, tmp_path / "line")
    parts = combined(line.linear, tmp_path / "ensemble", held_out=held_out)
    model, predictions = calibrated(tmp_path / "calibrated", linear=parts)
    evaluation = evaluated(line, model, predictions, tmp_path)
    is_last_fold = held_out is not None
    assert predictions.facts["split"] == ("fold_2" if is_last_fold else "folds")
    assert ("calibrated_on_these_rows" in evaluation.read()) == is_last_fold
