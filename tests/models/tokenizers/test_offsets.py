"""Offsets of tokens are bytes of the text as given, whatever normalization did."""

import random
import unicodedata

import pytest
import tensorflow as tf

from tests.models.conftest import HOSTILE, KINDS, LEARNED_FROM
from textmill.models.export.graph_ops import foreign_ops
from textmill.models.tokenizers import WordPiece
from textmill.models.tokenizers.offsets import code_points


def hostile_texts(number, seed=0):
    """Joins hostile strings and words at random, with and without spaces."""
    draw, words = random.Random(seed), LEARNED_FROM.split()
    return [
        "".join(
            draw.choice(HOSTILE if draw.random() < 0.6 else words)
            + draw.choice(["", "", " "])
            for _ in range(draw.randint(0, 12))
        )
        for _ in range(number)
    ]


def folded(text):
    """Returns a text without case, marks and forms, which normalizations change."""
    text = unicodedata.normalize("NFKC", text)
    text = unicodedata.normalize("NFKD", text.casefold()).casefold()
    kept = [c for c in text if unicodedata.category(c) not in ("Mn", "Cf", "Cc", "Co")]
    return "".join(c for c in kept if not c.isspace() and c not in "\ufffd\u2581")


@pytest.mark.parametrize("kind", KINDS)
def test_spans_map_back_to_the_characters_of_hostile_texts(learned, kind):
    tokenizer, texts = learned(kind), hostile_texts(500)
    ids, starts, ends = tokenizer.tokenize_with_offsets(tf.constant(texts))
    assert ids.to_list() == tokenizer(tf.constant(texts)).to_list()
    every = tf.range(tokenizer.size)[:, None]
    pieces = tokenizer.detokenize(tf.RaggedTensor.from_tensor(every)).numpy()
    pieces = [piece.decode(errors="ignore").removeprefix("##") for piece in pieces]
    pieces[tokenizer.specials.unknown or 0] = ""
    pieces = list(map(folded, pieces))
    for text, *rows in zip(
        texts, ids.to_list(), starts.to_list(), ends.to_list(), strict=True
    ):
        data, last = text.encode(), 0
        for token, start, end in zip(*rows, strict=True):
            assert last <= start <= end <= len(data)
            last = start
            source = folded(data[start:end].decode())  # whole characters
            assert pieces[token] in source, (text, data[start:end], pieces[token])


TEXT = "A Cafe\u0301, 中文\r\n👍🏽 ﬁn\0x"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("wordpiece", ["Cafe\u0301", "中", "文", "👍🏽"]),
        ("fast", ["中", "文"]),
        ("character", ["C", "a", "f", "e\u0301", "中", "\r", "\n", "👍", "ﬁ", "\0"]),
        ("nfkc", ["中", "\0"]),
        ("sentencepiece", ["e\u0301"]),
    ],
)
def test_words_marks_and_folded_characters_have_their_own_bytes(
    learned, kind, expected
):
    tokenizer, data = learned(kind), TEXT.encode()
    _, starts, ends = tokenizer.tokenize_with_offsets(tf.constant([TEXT]))
    bounds = {*starts.to_list()[0]}, {*ends.to_list()[0]}
    for piece in expected:
        at = data.index(piece.encode())
        assert at in bounds[0], piece
        assert at + len(piece.encode()) in bounds[1], piece


def test_broken_bytes_keep_their_places(learned):
    given = b"\xffa \xe4\xb8 boat\xed\xa0\x80"
    ids, starts, ends = learned("character").tokenize_with_offsets(tf.constant([given]))
    assert ids.to_list() == learned("character").tokenize_untrusted([given]).to_list()
    assert starts.to_list() == [[0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12]]
    assert ends.to_list() == [[1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13]]
    points = code_points(tf.constant([given]), starts, ends)
    assert points[0].to_list() == [list(range(12))]
    assert points[1].to_list() == [list(range(1, 13))]


def test_a_mark_at_the_beginning_belongs_to_its_own_text():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "e"]
    tokenizer = WordPiece(tokens, normalization="bert")
    texts = tf.constant(["e", "\u0301e\u0301\u0301", "", "e"])
    ids, starts, ends = tokenizer.tokenize_with_offsets(texts)
    assert ids.to_list() == [[5], [5], [], [5]]
    assert starts.to_list() == [[0], [2], [], [0]]
    assert ends.to_list() == [[1], [7], [], [1]]


def test_code_points_hold_all_of_a_character():
    texts = tf.constant(["a中b", "", "👍"])
    starts = tf.ragged.constant([[0, 2, 4], [], [1]], tf.int32)
    ends = tf.ragged.constant([[1, 3, 5], [], [2]], tf.int32)
    found = code_points(texts, starts, ends)
    assert [values.to_list() for values in found] == [
        [[0, 1, 2], [], [0]],
        [[1, 2, 3], [], [1]],
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_eager_graph_batches_and_a_saved_model_agree(learned, kind, tmp_path):
    tokenizer, texts = learned(kind), hostile_texts(100, seed=1)

    def as_lists(function, texts):
        return [values.to_list() for values in function(tf.constant(texts))]

    module = tf.Module()
    module.tokenizer = tokenizer
    module.call = tf.function(
        lambda texts: tokenizer.tokenize_with_offsets(texts),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    expected = as_lists(tokenizer.tokenize_with_offsets, texts)
    assert as_lists(module.call, texts) == expected
    singles = [as_lists(module.call, [text]) for text in texts[:20]]
    assert [[one[i][0] for one in singles] for i in range(3)] == [
        values[:20] for values in expected
    ]
    tf.saved_model.save(module, str(tmp_path / "saved"))
    assert foreign_ops(tmp_path / "saved") == []
    assert as_lists(tf.saved_model.load(tmp_path / "saved").call, texts) == expected
