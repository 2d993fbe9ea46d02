"""The linear model of a stage, for every kind of target that it learns."""

import numpy as np

from tests.components.test_targets import ingested, plugged_in  # noqa: F401
from textmill.components.artifacts import TrainedModel
from textmill.components.linear_trainer import LinearTrainerConfig, train_linear
from textmill.models.inference import tokenize_texts
from textmill.models.linear import LinearConfig
from textmill.models.linear.model import LinearModel
from textmill.models.tokenizers import load_tokenizer


def trained(folder, documents, vocabulary, task, **choices):
    artifact = TrainedModel(folder)
    config = LinearTrainerConfig(task=task, linear=LinearConfig(**choices))
    train_linear(
        documents=documents, vocabulary=vocabulary, model=artifact, config=config
    )
    return artifact


def loaded(artifact):
    path = artifact.path / artifact.WEIGHTS
    return LinearModel.load(path, artifact.facts["model"])


def test_any_number_of_labels(plugged_in, vocabulary, tmp_path):  # noqa: F811
    documents = ingested(tmp_path, labels="words")
    artifact = trained(tmp_path / "model", documents, vocabulary, "choose")
    test = list(documents.read("test"))
    tokens = list(
        tokenize_texts(load_tokenizer(vocabulary.path), (d["text"] for d in test))
    )
    chosen = loaded(artifact).probabilities(tokens) > 0.5
    names = np.array(documents.labels)
    answers = [sorted(names[row]) for row in chosen]
    assert answers == [document["labels"] for document in test]


def test_a_number(plugged_in, vocabulary, tmp_path):  # noqa: F811
    documents = ingested(tmp_path, number="size")
    artifact = trained(tmp_path / "model", documents, vocabulary, "regress")
    test = list(documents.read("test"))
    tokens = list(
        tokenize_texts(load_tokenizer(vocabulary.path), (d["text"] for d in test))
    )
    sizes = np.array([document["number"] for document in test])
    errors = loaded(artifact).logits(tokens)[:, 0] - sizes
    assert np.square(errors).mean() < 0.1 * sizes.var()


def test_a_model_within_the_limits_has_no_note(documents, vocabulary, tmp_path):
    artifact = trained(tmp_path / "model", documents, vocabulary, "classify")
    assert artifact.facts["documents_left_out"] == 0
    assert artifact.note() is None


def test_limits_are_noted(documents, vocabulary, tmp_path):
    limits = {"max_tokens": 100, "max_weights": 60, "orders": (2,)}
    artifact = trained(tmp_path / "a", documents, vocabulary, "classify", **limits)
    left_out = artifact.facts["documents_left_out"]
    ngrams = artifact.facts["model"]["ngrams_left_out"]
    assert 0 < left_out < 60 and ngrams > 0
    assert artifact.note() == (f"left out: {left_out} documents, {ngrams} rare n-grams")
    assert loaded(artifact).weights.size <= 60
    artifact = trained(
        tmp_path / "b", documents, vocabulary, "classify", max_documents=7
    )
    assert artifact.facts["documents_left_out"] == 53
