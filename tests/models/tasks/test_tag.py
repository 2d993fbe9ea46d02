"""Tagging: windows, legal tags, and spans of the caller's own characters."""

import itertools
import json

import numpy as np
import pytest
import tensorflow as tf

from tests.marks import slow_except
from tests.models.conftest import HOSTILE
from tests.models.tokenizers.test_offsets import hostile_texts
from textmill.models.config import ModelConfig
from textmill.models.export.saved_model import SavedModel
from textmill.models.tasks.server import ServingOptions, to_python
from textmill.models.tasks.tag import Tag
from textmill.models.tasks.viterbi import best_tags, decode_tags
from textmill.models.tasks.windows import Windows
from textmill.models.tokenizers import SpecialTokens

LABELS = ("place", "person")
SPECIALS = SpecialTokens(pad=0, unknown=1, start=2, end=3, mask=4)


def is_legal(tags):
    """Returns whether a further token only follows a token of its label."""
    before = [0, *tags]
    return all(
        tag == 0 or tag % 2 or previous in (tag, tag - 1)
        for previous, tag in itertools.pairwise(before)
    )


def test_viterbi_is_the_best_of_all_legal_taggings():
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(6, 4, 5)).astype(np.float32)
    found = best_tags(tf.constant(scores), tf.constant([4, 4, 3, 2, 1, 0])).numpy()
    for row, tags, length in zip(scores, found, [4, 4, 3, 2, 1, 0], strict=True):
        legal = [t for t in itertools.product(range(5), repeat=length) if is_legal(t)]
        sums = [sum(row[i, tag] for i, tag in enumerate(tags)) for tags in legal]
        best = legal[int(np.argmax(sums))] if length else ()
        assert tuple(tags[:length]) == tuple(best)
        assert not tags[length:].any()


def test_tags_of_a_text_do_not_depend_on_its_batch():
    scores = np.random.default_rng(1).normal(size=(8, 30, 7)).astype(np.float32)
    lengths = np.array([30, 3, 1, 17, 30, 9, 2, 5], np.int32)
    together = best_tags(tf.constant(scores), tf.constant(lengths)).numpy()
    for row, tags, length in zip(scores, together, lengths, strict=True):
        alone = best_tags(tf.constant(row[None, :length]), tf.constant([length]))
        np.testing.assert_array_equal(alone[0], tags[:length])


def test_pieces_of_long_texts_have_the_tags_of_the_whole_text():
    scores = np.random.default_rng(2).normal(size=(900, 7)).astype(np.float32)
    scores[400:480, 2] += 4.0  # a long span over the seams of pieces
    sizes = [0, 300, 1, 599]
    splits = np.cumsum([0, *sizes])
    found = decode_tags(tf.constant(scores), tf.constant(splits), piece=32, context=24)
    for start, end in itertools.pairwise(splits):
        part = tf.constant(scores[None, start:end])
        whole = best_tags(part, tf.constant([end - start], tf.int32))
        np.testing.assert_array_equal(found[start:end], whole[0])


def test_tags_are_legal_even_where_pieces_disagree():
    scores = np.random.default_rng(3).normal(size=(500, 7)).astype(np.float32)
    tags = decode_tags(
        tf.constant(scores), tf.constant([0, 490, 500]), piece=3, context=0
    )
    tags = tags.numpy().tolist()
    assert is_legal(tags[:490])
    assert is_legal(tags[490:])


@pytest.mark.parametrize("length", [3, 4, 5, 8, 9])
def test_windows_hold_every_token_where_it_has_most_context(length):
    sizes = [0, 1, length - 2, length - 1, 3 * length, 3 * length + 1, 40]
    flat = np.arange(10, 10 + sum(sizes))
    tokens = tf.RaggedTensor.from_row_lengths(tf.constant(flat, tf.int32), sizes)
    windows = Windows.of(tokens, SPECIALS, length)
    ids, ends = windows.ids.numpy(), windows.length.numpy()
    assert ids.shape[1] <= length
    assert (ids[:, 0] == 2).all()
    assert (ids[np.arange(len(ids)), ends - 1] == 3).all()
    row, column = windows.row.numpy(), windows.column.numpy()
    np.testing.assert_array_equal(ids[row, column], flat)
    for token, size, place in zip(
        flat,
        np.repeat(sizes, sizes),
        np.concatenate([np.arange(size) for size in sizes]),
        strict=True,
    ):
        r, c = np.nonzero(ids == token)
        # Context on a side is complete at the end of the text.
        left = np.where(place - (c - 1) == 0, size, c - 1)
        right = np.where(place + ends[r] - 2 - c == size - 1, size, ends[r] - 2 - c)
        chosen = row[token - 10]
        context = np.minimum(left, right)
        assert context[r == chosen][0] >= context.max() - 1


def tag_task(tokenizer, *, seed=0, sequence_length=16, family="bert"):
    config = ModelConfig(
        family=family, sequence_length=sequence_length, layers=1, width=32, heads=2
    )
    task = Tag(
        config,
        vocabulary_size=tokenizer.size,
        specials=tokenizer.specials,
        seed=seed,
        num_labels=len(LABELS),
    )
    # The first weights are so small that all tags are equally likely.
    for variable in task.model.get_layer("logits").trainable_variables:
        variable.assign(variable * 60.0)
    return task


KINDS = ("wordpiece", "fast", "cased", "sentencepiece", "bpe", "nfkc", "character")


@pytest.mark.parametrize("kind", KINDS)
def test_spans_of_hostile_texts_are_pieces_of_the_texts(learned, kind):
    tokenizer, texts = learned(kind), [*hostile_texts(80, seed=2), "", " \n", *HOSTILE]
    server = tag_task(tokenizer).serve(tokenizer, ServingOptions(labels=LABELS))
    columns = server.document_outputs([{"text": text} for text in texts])
    spans = [json.loads(spans) for spans in columns["spans"]]
    assert sum(map(len, spans)) > 50
    for text, row in zip(texts, spans, strict=True):
        for span in row:
            assert span["text"] == text[span["start"] : span["end"]]
            assert span["text"] == span["text"].strip()
            assert span["text"]
            assert span["label"] in LABELS
            assert 0 < span["score"] <= 1
    again = server.document_outputs([{"text": texts[5]}])
    assert [s | {"score": 0} for s in json.loads(again["spans"][0])] == [
        s | {"score": 0} for s in spans[5]
    ]


@pytest.mark.parametrize("family", slow_except(["bert", "lstm", "gpt"], ["bert"]))
def test_a_saved_model_has_the_spans_of_the_trained_one(learned, family, tmp_path):
    tokenizer = learned("wordpiece")
    task = tag_task(tokenizer, family=family)
    options = ServingOptions(labels=LABELS)
    SavedModel().write(task, tokenizer, tmp_path / "saved", options)
    runtime = SavedModel().load(tmp_path / "saved")
    texts = ["The old mill by the river. " * 9, "", "中文 e\u0301 mice", b"a\xff mill"]
    answers = runtime.answer(texts)
    reference = task.serve(tokenizer, options).reference_answers(texts)
    for answer, expected in zip(answers, reference, strict=True):
        assert len(answer["spans"]) == len(expected["spans"])
        for span, other in zip(answer["spans"], expected["spans"], strict=True):
            assert span == other | {"score": pytest.approx(other["score"], rel=1e-4)}
    assert answers[0]["spans"]
    assert answers[1] == {"spans": []}
    assert runtime.answer([""]) == [{"spans": []}]
    assert runtime.answer(["", " \n", "\0"]) == [{"spans": []}] * 3


def test_a_text_of_many_rows_needs_little_memory_and_time(learned):
    tokenizer = learned("character")
    server = tag_task(tokenizer).serve(tokenizer, ServingOptions(labels=LABELS))
    texts = ["mill " * 8_000, "x" * 20_000, "mill"]
    for text, row in zip(texts, to_python(server.call(texts), 3), strict=True):
        for span in row["spans"]:
            assert span["text"] == text[span["start"] : span["end"]]


def test_the_loss_ignores_control_tokens_and_padding(learned):
    tokenizer = learned("wordpiece")
    task = tag_task(tokenizer)
    rows = task.example_rows(tokenizer, ["mill mill", "the old mill"])
    sums = task.loss_sums(task.features(rows), training=False)
    counted = (rows["tags"].numpy() != 255).sum(axis=1)
    np.testing.assert_array_equal(sums["weight"], counted)
    assert counted.tolist() == (rows["length"].numpy() - 2).tolist()
