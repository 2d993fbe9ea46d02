"""The linear model in a graph: its answers are those of the trainer, in any batch."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from textmill.models.export.graph_ops import foreign_ops
from textmill.models.linear.graph import NgramGraph
from textmill.models.linear.model import LinearModel, summable
from textmill.models.linear.ngrams import frequent_keys

TEXTS = [
    "the cat sat on the mat and the cat slept",
    "the dog slept on the mat",
    "a dog and a cat",
    "",
    "dog",
    "the mat",
    "北京 大学 的 学生 在 北京 学习",
    "学生 在 大学 学习 中文 学习 中文",
    "猫 在 睡觉",
]
WORDS = sorted({word for text in TEXTS for word in text.split()})
DOCUMENTS = [
    np.array([WORDS.index(word) for word in text.split()], np.int32) for text in TEXTS
]


def build_model(order, *, min_documents=1):
    keys, _ = frequent_keys(
        DOCUMENTS,
        order=order,
        vocabulary_size=len(WORDS),
        min_documents=min_documents,
    )
    generator = np.random.default_rng(order)
    return LinearModel(
        keys=keys,
        weights=summable(generator.normal(size=(len(keys), 3))),
        bias=generator.normal(size=3).astype(np.float32),
        temperature=1.0,
        order=order,
        cost=1.0,
        vocabulary_size=len(WORDS),
    )


def ragged(documents):
    values = np.concatenate([np.zeros(0, np.int32), *documents])
    return tf.RaggedTensor.from_row_lengths(values, [len(ids) for ids in documents])


class Served(tf.Module):
    def __init__(self, model):
        super().__init__()
        self.graph = NgramGraph(model)

    @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.int32)])
    def answer(self, tokens):
        parts = self.graph.contributions(tokens)
        return {"logits": self.graph.logits(tokens), **parts._asdict()}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    tf.saved_model.save(Served(build_model(3)), str(folder))
    assert foreign_ops(folder) == []
    return tf.saved_model.load(str(folder))


def test_a_saved_graph_answers_like_the_trainer_bit_for_bit(served):
    expected = build_model(3).logits(DOCUMENTS).astype(np.float32)
    logits = served.answer(ragged(DOCUMENTS))["logits"].numpy()
    assert logits.tobytes() == expected.tobytes()


def test_an_answer_does_not_depend_on_the_batch(served):
    together = served.answer(ragged([*DOCUMENTS, *DOCUMENTS[::-1]]))["logits"].numpy()
    alone = [served.answer(ragged([ids]))["logits"].numpy() for ids in DOCUMENTS]
    assert together.tobytes() == np.concatenate([*alone, *alone[::-1]]).tobytes()


def test_contributions_are_the_terms_of_the_logits(served):
    model, answer = build_model(3), served.answer(ragged(DOCUMENTS))
    sums = np.zeros((len(DOCUMENTS), 3))
    np.add.at(sums, answer["row"].numpy(), answer["weights"].numpy().astype(float))
    np.testing.assert_allclose(answer["logits"], sums + model.bias, rtol=1e-6)


def test_contributions_name_each_ngram_of_a_text_once_in_its_order(served):
    answer = served.answer(ragged([DOCUMENTS[3], DOCUMENTS[7]]))
    ngrams = [
        " ".join(WORDS[number] for number in ids if number >= 0)
        for ids in answer["tokens"].numpy()
    ]
    words = TEXTS[7].split()
    windows = [" ".join(words[i : i + n]) for i in range(7) for n in (1, 2, 3)]
    assert ngrams == list(dict.fromkeys(windows))
    assert set(answer["row"].numpy()) == {1}


@pytest.mark.parametrize("order", [1, 2])
def test_shorter_ngrams_and_rare_ones_are_as_in_the_trainer(order, monkeypatch):
    monkeypatch.setattr("textmill.models.linear.graph._NGRAMS_A_BLOCK", 5)
    model = build_model(order, min_documents=2)
    logits = NgramGraph(model).logits(ragged(DOCUMENTS)).numpy()
    assert logits.tobytes() == model.logits(DOCUMENTS).astype(np.float32).tobytes()


def test_without_known_ngrams_a_text_has_the_bias_and_no_text_no_answer():
    model = dataclasses.replace(
        build_model(3),
        keys=np.zeros(0, np.int64),
        weights=np.zeros((0, 3), np.float32),
    )
    graph = NgramGraph(model)
    expected = np.tile(model.bias, (len(DOCUMENTS), 1))
    np.testing.assert_array_equal(graph.logits(ragged(DOCUMENTS)), expected)
    assert graph.contributions(ragged(DOCUMENTS)).tokens.shape == (0, 3)
    assert NgramGraph(build_model(3)).logits(ragged([])).shape == (0, 3)


def test_a_text_of_a_megabyte_has_the_logits_of_the_trainer(served):
    text = np.random.default_rng(0).integers(0, len(WORDS), 250_000, dtype=np.int32)
    expected = build_model(3).logits([text]).astype(np.float32)
    assert (
        served.answer(ragged([text]))["logits"].numpy().tobytes() == expected.tobytes()
    )


def test_sums_of_summable_weights_are_exact_in_any_order():
    generator = np.random.default_rng(0)
    weights = summable(generator.normal(size=1 << 20) ** 9)
    assert abs(weights - summable(weights)).max() == 0
    total = weights.astype(np.float64).sum()
    assert generator.permutation(weights).astype(np.float64).sum() == total
    assert summable(np.zeros((0, 2))).shape == (0, 2)
