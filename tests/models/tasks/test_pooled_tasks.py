"""Multilabel classification and regression: losses, constants and served answers."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import log_loss

from textmill.models.config import ModelConfig
from textmill.models.export.saved_model import SavedModel
from textmill.models.rows import RowReader, RowSchema, frame_rows
from textmill.models.tasks import TASKS
from textmill.models.tasks.multilabel import labels_answers
from textmill.models.tasks.server import ServingOptions, to_python
from textmill.models.tokenizers import SPECIAL_TOKENS, Character
from textmill.models.weights import load_weights, rebuild_task, save_weights

SHAPE = ModelConfig(family="bert", layers=1, width=8, heads=2, sequence_length=12)
TEXTS = ["abba", "", "a b", "b" * 40, "zzz"]
LABELS = ("early", "late", "never")
TOKENIZER = Character([*SPECIAL_TOKENS, *" ab"])


def built(name, *, shape=SHAPE):
    return TASKS[name].load()(
        shape,
        vocabulary_size=TOKENIZER.size,
        specials=TOKENIZER.specials,
        seed=3,
        num_labels=len(LABELS) if name == "multilabel" else 0,
    )


def features_of(task):
    rows = task.example_rows(TOKENIZER, TEXTS)
    return task.features(rows)


def stored(folder, kind, values):
    """Returns a reader of rows with targets."""
    size = np.shape(values)[1] if np.ndim(values) > 1 else 0
    schema = RowSchema(sequence_length=12, wide=False, target=kind, num_labels=size)
    rows = np.zeros(len(values), schema.dtype)
    rows["ids"][:, :3] = np.arange(len(values))[:, None] % 3 + 5
    rows["length"], rows[kind] = 3, values
    path = folder / "rows.tfrecord"
    path.write_bytes(frame_rows(schema, rows))
    return RowReader([path], schema)


@pytest.mark.parametrize("family", ["bert", "gpt", "lstm"])
@pytest.mark.parametrize("name", ["multilabel", "regress"])
def test_every_family_has_the_head(name, family):
    shape = ModelConfig(family=family, layers=1, width=8, heads=2, sequence_length=12)
    task = built(name, shape=shape)
    sums = task.loss_sums(features_of(task), training=False)
    assert tuple(sums) == task.sum_names
    assert {value.shape for value in sums.values()} == {(len(TEXTS),)}
    assert task.head_flops(12) == 2 * 8 * (3 if name == "multilabel" else 1)


def test_the_loss_of_labels_is_the_mean_cross_entropy_of_their_decisions():
    task = built("multilabel")
    features = features_of(task)
    sums = task.loss_sums(features, training=False)
    scores = task.predictions(features)["scores"].numpy()
    truth = features["targets"].numpy()
    pairs = zip(truth, scores, strict=True)
    expected = [log_loss(*pair, labels=[0, 1]) for pair in pairs]
    np.testing.assert_allclose(sums["loss"], expected, rtol=1e-5)
    exact = np.all((scores > 0.5) == (truth > 0), axis=1)
    np.testing.assert_array_equal(sums["correct"], exact)


def test_the_answer_has_the_labels_over_their_own_thresholds_the_surest_first():
    scores = tf.constant([[0.6, 0.3, 0.9], [0.1, 0.1, 0.1], [0.5, 0.25, 0.2]])
    thresholds = tf.constant([0.5, 0.25, 0.95])
    answers = labels_answers(scores, thresholds, LABELS)
    assert to_python(answers, 3) == [
        {"labels": ["early", "late"], "scores": pytest.approx([0.6, 0.3, 0.9])},
        {"labels": [], "scores": pytest.approx([0.1, 0.1, 0.1])},
        {"labels": ["early", "late"], "scores": pytest.approx([0.5, 0.25, 0.2])},
    ]


def test_thresholds_are_tuned_on_rows_and_kept_with_the_weights(tmp_path):
    task = built("multilabel")
    assert task.thresholds.numpy().tolist() == [0.5] * 3
    values = np.random.default_rng(1).integers(0, 2, (100, 3)) * [1, 1, 0]
    task.tune(stored(tmp_path, "labels", values), seed=1)
    tuned = task.thresholds.numpy()
    assert np.any(tuned != 0.5)
    save_weights(task, tmp_path / "weights")
    other = built("multilabel")
    tensors = {name: v.numpy() for name, v in task.tensors().items()}
    assert "head/thresholds" in tensors
    load_weights(other, tensors, source="test")
    np.testing.assert_array_equal(other.thresholds.numpy(), tuned)
    chosen = other.predictions(features_of(other))
    np.testing.assert_array_equal(
        chosen["chosen"].numpy(), chosen["scores"].numpy() >= tuned
    )


def test_a_regression_learns_standardized_numbers_and_answers_in_their_unit(tmp_path):
    task = built("regress")
    values = np.random.default_rng(1).normal(2000.0, 30.0, 200).astype(np.float32)
    task.prepare(stored(tmp_path, "number", values))
    mean, deviation = task.scale.numpy()
    assert mean == pytest.approx(values.mean(), rel=1e-6)
    assert deviation == pytest.approx(values.std(), rel=1e-5)
    features = features_of(task) | {"targets": tf.constant(values[: len(TEXTS)])}
    answers = task.predictions(features)["number"].numpy()
    assert np.abs(answers - mean).max() < deviation
    sums = task.loss_sums(features, training=False)
    errors = answers - values[: len(TEXTS)]
    np.testing.assert_allclose(sums["error"], np.abs(errors), rtol=1e-5)
    np.testing.assert_allclose(sums["loss"], (errors / deviation) ** 2, rtol=1e-4)
    means = task.means({"loss": 8.0, "weight": 4.0, "error": 10.0})
    assert means == {"loss": 2.0, "mae": 2.5}


def test_equal_numbers_have_no_scale(tmp_path):
    task = built("regress")
    task.prepare(stored(tmp_path, "number", np.full(9, 4.0, np.float32)))
    assert task.scale.numpy().tolist() == [4.0, 1.0]


@pytest.mark.parametrize("name", ["multilabel", "regress"])
def test_the_saved_model_gives_the_trained_models_answers(name, tmp_path):
    task = built(name)
    if name == "regress":
        task.scale.assign([7.0, 3.0])
    else:
        task.thresholds.assign([0.4, 0.5, 0.6])
    options = ServingOptions(labels=LABELS if name == "multilabel" else ())
    SavedModel().write(task, TOKENIZER, tmp_path, options)
    served = SavedModel().load(tmp_path).answer(TEXTS)
    reference = task.serve(TOKENIZER, options).reference_answers(TEXTS)
    for here, there in zip(served, reference, strict=True):
        assert set(here) == set(there)
        number = "number" if name == "regress" else "scores"
        np.testing.assert_allclose(here[number], there[number], atol=1e-5)
        assert here.get("labels") == there.get("labels")


def test_a_task_is_rebuilt_with_its_constants():
    task = built("regress")
    task.scale.assign([7.0, 3.0])
    tensors = {name: v.numpy() for name, v in task.tensors().items()}
    facts = {
        "task": "regress",
        "model": {"layers": 1, "width": 8, "heads": 2, "sequence_length": 12},
        "labels": [],
        "task_config": {},
        "next_sentence": False,
    }
    again = rebuild_task(tensors, TOKENIZER, facts, source="test")
    assert again.scale.numpy().tolist() == [7.0, 3.0]
