import pytest
import tensorflow as tf
import tensorflow_text  # noqa: F401
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.models.tokenizers import (
    SPECIAL_TOKENS,
    Character,
    SpecialTokens,
    WordPiece,
    load_tokenizer,
)
from textmill.models.tokenizers.tokenizer import normalize

TOKENS = [*SPECIAL_TOKENS, "a", "boat", "cafe", "##s", "the", "world", "[", "]", "sep"]
ALPHABET = st.characters(exclude_categories=["Cs"])
HOSTILE = st.text(ALPHABET | st.sampled_from("boats [SEP]\u200d\u0301\u00a0\u096c中é"))


@pytest.fixture(scope="module")
def wordpiece():
    return WordPiece(TOKENS, normalization="bert")


@pytest.fixture(scope="module")
def graph(wordpiece):
    signature = [tf.TensorSpec([None], tf.string)]
    return tf.function(lambda texts: wordpiece(texts), input_signature=signature)


def test_wordpiece_lower_cases_and_strips_accents(wordpiece):
    ids = wordpiece(tf.constant(["The CAFÉ boats", "xyz"])).to_list()
    assert ids == [[9, 7, 6, 8], [1]]


@pytest.mark.parametrize(
    ("lowercase", "form", "expected"),
    [
        (True, "none", ["a\0b", "\0", "", "\0\0é\0", "ﬁ"]),
        (False, "nfc", ["A\0B", "\0", "", "\0\0É\0", "ﬁ"]),
        (True, "nfkc", ["a\0b", "\0", "", "\0\0é\0", "fi"]),
    ],
)
def test_normalization_keeps_nul_and_the_text_behind_it(lowercase, form, expected):
    texts = tf.constant(["A\0B", "\0", "", "\0\0E\u0301\0", "ﬁ"])
    if form == "none":
        texts = tf.constant(["A\0B", "\0", "", "\0\0É\0", "ﬁ"])
    found = normalize(texts, lowercase=lowercase, form=form).numpy()
    assert [text.decode() for text in found] == expected


def test_stock_lower_still_cuts_a_text_at_nul():
    """If it does not, ``normalize`` need not split texts for it."""
    assert tf.strings.lower(["A\0B"], encoding="utf-8").numpy().tolist() == [b"a"]


def test_control_tokens_in_a_text_are_plain_text(wordpiece):
    assert wordpiece(tf.constant(["[SEP]"])).to_list() == [[11, 13, 12]]


def test_pack_frames_cuts_and_pads(wordpiece):
    ids, length = wordpiece.pack(tf.constant(["the boat the boat", "a", ""]), 5)
    assert ids.numpy().tolist() == [[2, 9, 6, 9, 3], [2, 5, 3, 0, 0], [2, 3, 0, 0, 0]]
    assert length.numpy().tolist() == [5, 3, 2]


def test_broken_utf8_is_received_as_replacement_characters(wordpiece):
    received = wordpiece.tokenize_untrusted(tf.constant([b"\xff boat \xc3"])).to_list()
    assert received == wordpiece(tf.constant(["\ufffd boat \ufffd"])).to_list()


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(HOSTILE, min_size=1, max_size=4))
def test_graph_and_eager_ids_are_the_same_on_hostile_text(wordpiece, graph, texts):
    texts = tf.constant(texts)
    assert graph(texts).to_list() == wordpiece(texts).to_list()
    assert wordpiece.tokenize_untrusted(texts).to_list() == wordpiece(texts).to_list()


def test_characters_round_trip_and_unknown_ones_do_not():
    tokenizer = Character([*SPECIAL_TOKENS, *"\n abé世"])
    ids = tokenizer(tf.constant(["ab 世\né", "x"]))
    assert ids.to_list() == [[7, 8, 6, 10, 5, 9], [1]]
    texts = tokenizer.detokenize(ids).numpy()
    assert [text.decode() for text in texts] == ["ab 世\né", "\ufffd"]


@pytest.mark.parametrize(
    "tokenizer",
    [
        WordPiece(TOKENS, normalization="fast"),
        WordPiece(TOKENS, lowercase=False, normalization="bert"),
        Character([*SPECIAL_TOKENS, *"abc"], lowercase=True),
    ],
    ids=["fast", "cased", "character"],
)
def test_a_saved_tokenizer_gives_the_same_ids(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    texts = tf.constant(["The Boats é ﬁ ABC", ""])
    loaded = load_tokenizer(tmp_path)
    assert loaded(texts).to_list() == tokenizer(texts).to_list()
    assert (loaded.size, loaded.specials) == (tokenizer.size, tokenizer.specials)


def test_a_vocabulary_without_control_tokens_is_refused():
    with pytest.raises(ValueError, match=r"lacks \[SEP\]"):
        SpecialTokens.of(SPECIAL_TOKENS[:3])
    assert SpecialTokens.of(SPECIAL_TOKENS[:4]).mask is None


def test_wordpiece_gives_the_ids_of_hugging_face_on_real_text(data):
    import gzip
    import json

    import tokenizers

    file = data / "bert_base_uncased_vocab.txt"
    with gzip.open(data / "specs.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines][:3000]
    peer = tokenizers.BertWordPieceTokenizer(str(file), lowercase=True)
    wanted = [e.ids for e in peer.encode_batch(texts, add_special_tokens=False)]
    ours = WordPiece(file.read_text().split("\n")[:-1], normalization="bert")
    assert ours(tf.constant(texts)).to_list() == wanted
