"""Pairs of texts: the rows of serving are those of training, and so are answers."""

from itertools import product

import numpy as np
import pytest
import tensorflow as tf

from tests.marks import slow_except
from tests.models.conftest import HOSTILE
from textmill.components.predictor.saved_model import predict_texts
from textmill.components.tokenizer import RowLayout
from textmill.components.tokenizer.engine import schema_of
from textmill.components.tokenizer.sentence_pairs import TextPair
from textmill.models.calibrated.fit import Calibration
from textmill.models.calibrated.joint import JointModel
from textmill.models.config import ModelConfig
from textmill.models.errors import ConfigError
from textmill.models.export.saved_model import SavedModel
from textmill.models.inference import tokenize_documents
from textmill.models.linear.model import LinearModel
from textmill.models.tasks import TASKS
from textmill.models.tasks.server import ServingOptions, pack_pairs
from textmill.models.texts import pair_sizes, text_columns
from textmill.models.tokenizers import SPECIAL_TOKENS, Character

LENGTH = 12
SHAPE = ModelConfig(family="bert", layers=1, width=8, heads=2, sequence_length=LENGTH)
TOKENIZER = Character([*SPECIAL_TOKENS, *" ab"])
LABELS = ("no", "yes")
PAIRS = [
    ("abba", "a b"),
    ("", ""),
    ("a", ""),
    ("", "b" * 40),
    ("ab" * 20, "b"),
    ("ab" * 20, "ba" * 20),
    ("a" * 5, "b" * 4),
    ("zzz", "\0é"),
]


def built(name, *, family="bert"):
    shape = ModelConfig(
        family=family, layers=1, width=8, heads=2, sequence_length=LENGTH
    )
    return TASKS[name].load()(
        shape,
        vocabulary_size=TOKENIZER.size,
        specials=TOKENIZER.specials,
        seed=3,
        num_labels=2 if name == "classify" else 0,
        pair=True,
    )


def packed(tokenizer, pairs):
    """Returns the rows of training, by the packer."""
    layout = RowLayout(sequence_length=LENGTH, packing="pair")
    schema = schema_of(layout, vocabulary_size=tokenizer.size)
    packer = TextPair(layout, schema=schema, specials=tokenizer.specials)
    documents = [
        {"id": str(i), "text": a, "text_2": b} for i, (a, b) in enumerate(pairs)
    ]
    tokens = tokenizer(tf.constant(packer.texts(documents)))
    flat, splits = tokens.flat_values.numpy(), tokens.row_splits.numpy()
    return schema.unpack(packer.add(flat, splits, documents))


@pytest.mark.parametrize("kind", ["character", "wordpiece", "bpe"])
def test_served_rows_are_those_of_training(kind, learned):
    tokenizer = learned(kind)
    pairs = PAIRS + list(product(HOSTILE[::5], HOSTILE[2::7]))
    rows = packed(tokenizer, pairs)
    first, second = map(list, zip(*pairs, strict=True))
    served = pack_pairs(
        tokenizer, tf.constant(first), tf.constant(second), length=LENGTH
    )
    width = served["ids"].shape[1]
    for name in ("ids", "types"):
        np.testing.assert_array_equal(served[name], rows[name][:, :width])
        assert not np.any(rows["types"][:, width:])
    np.testing.assert_array_equal(served["length"], rows["length"])


@pytest.mark.parametrize("room", [2, 5, 9])
def test_the_longer_text_of_a_pair_loses_its_end(room):
    for first, second in product(range(12), range(12)):
        a, b = pair_sizes(first, second, room)
        assert a <= first and b <= second
        assert a + b == min(room, first + second)
        if a < first and b < second:
            assert abs(a - b) <= 1


@pytest.mark.parametrize("family", slow_except(["bert", "gpt", "lstm"], ["bert"]))
@pytest.mark.parametrize("name", ["classify", "regress"])
def test_a_pair_is_answered_as_by_the_trained_model(name, family, tmp_path):
    task = built(name, family=family)
    options = ServingOptions(labels=LABELS if name == "classify" else ())
    server = task.serve(TOKENIZER, options)
    rows = server.reference_rows(PAIRS)
    trained = packed(TOKENIZER, PAIRS)
    for column in ("ids", "length", "types"):
        np.testing.assert_array_equal(rows[column], trained[column])
    SavedModel().write(task, TOKENIZER, tmp_path, options)
    runtime = SavedModel().load(tmp_path)
    assert runtime.num_texts == 2
    output = {"classify": "probabilities", "regress": "number"}[name]
    answers = [answer[output] for answer in runtime.answer(PAIRS)]
    reference = [answer[output] for answer in server.reference_answers(PAIRS)]
    np.testing.assert_allclose(answers, reference, atol=1e-5)
    [alone] = runtime.answer(PAIRS[3:4])
    np.testing.assert_allclose(alone[output], answers[3], atol=1e-6)
    features = task.features(
        {k: tf.constant(v) for k, v in trained.items()}
        | {task.target_column: tf.zeros(len(PAIRS), tf.int32)}
    )
    predicted = task.predictions(features)[output]
    np.testing.assert_allclose(predicted, reference, atol=1e-5)


def test_a_bert_tells_the_texts_of_a_pair_apart():
    server = built("classify").serve(TOKENIZER, ServingOptions(labels=LABELS))
    rows = server.rows(tf.constant(["ab"]), tf.constant(["ba"]))
    other = server.answer(rows | {"types": tf.zeros_like(rows["types"])})
    answer = server.answer(rows)["probabilities"].numpy()
    assert np.abs(answer - other["probabilities"].numpy()).max() > 1e-5


def test_the_linear_part_reads_both_texts_to_their_ends(tmp_path):
    size = TOKENIZER.size
    keys = np.arange(size, dtype=np.int64)
    weights = np.zeros((size, 2), np.float32)
    [[b]] = TOKENIZER(tf.constant(["b"])).to_list()
    weights[b] = [-1.0, 1.0]
    linear = LinearModel(
        keys=keys,
        weights=weights,
        bias=np.zeros(2, np.float32),
        temperature=1.0,
        order=1,
        cost=1.0,
        vocabulary_size=size,
    )
    model = JointModel(
        kind="label",
        encoder=None,
        linear=linear,
        calibration=Calibration(encoder=0.0, linear=1.0, threshold=0.5, risk=0.1),
        num_texts=2,
    )
    options = ServingOptions(labels=LABELS)
    SavedModel().write(model, TOKENIZER, tmp_path, options)
    runtime = SavedModel().load(tmp_path)
    pairs = [("a" * 50, "a" * 50 + "b"), ("a" * 50 + "b", "a"), ("a", "a")]
    answers = runtime.answer(pairs)
    assert [answer["label"] for answer in answers] == ["yes", "yes", "no"]
    documents = list(tokenize_documents(TOKENIZER, pairs))
    expected = linear.probabilities(documents)
    given = [answer["probabilities"] for answer in answers]
    np.testing.assert_allclose(given, expected, atol=1e-6)
    reference = model.serve(TOKENIZER, options).reference_answers(pairs)
    assert [a["label"] for a in reference] == [a["label"] for a in answers]
    [because] = [a["because"] for a in predict_texts(runtime, pairs[:1], explain=True)]
    assert next(iter(because)) == "b"
    assert set(because) == {"a", "b", "(between texts)", "(rest)"}


def test_another_number_of_texts_is_a_sentence(tmp_path):
    assert text_columns(["a", b"b"], 1) == [["a", b"b"]]
    assert text_columns([("a", "b")], 2) == [["a"], ["b"]]
    with pytest.raises(ConfigError) as error:
        text_columns([("a", "b"), "c"], 2)
    assert str(error.value) == (
        "predict: expected 2 texts (text, text_2) for each answer, got 1 in number 2"
    )
    with pytest.raises(ConfigError, match=r"expected 1 text \(text\) .* got 2"):
        text_columns([("a", "b")], 1)
