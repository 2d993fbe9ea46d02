"""Byte-level BPE compared with its originals: the same ids on every text."""

import pytest
import tensorflow as tf
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import write_documents
from tests.models.conftest import TEXTS, paragraphs
from textmill.components.base import Context
from textmill.components.vocabulary_learner import VocabularyConfig
from textmill.components.vocabulary_learner.engine import learn_tokenizer
from textmill.models.tokenizers import BYTE_PAIR_SPECIALS, BytePair, byte_alphabet

PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def ids_of(peer, texts):
    encoded = peer.encode_batch_fast(texts, add_special_tokens=False)
    return [encoding.ids for encoding in encoded]


def byte_level(tokenizer):
    """Returns Hugging Face's tokenizer of the same entries and merges."""
    entries = {entry: i for i, entry in enumerate(tokenizer.tokens)}
    peer = tokenizers.Tokenizer(tokenizers.models.BPE(entries, list(tokenizer.merges)))
    peer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(
        add_prefix_space=False, use_regex=True
    )
    return peer


@pytest.fixture(scope="session")
def real_pairs(data, tmp_path_factory):
    """Byte-level BPE of 8,000 entries, learned from real text."""
    rows = [{"id": str(i), "text": t} for i, t in enumerate(paragraphs(data, 6000))]
    documents = write_documents(tmp_path_factory.mktemp("pairs"), {"train": rows})
    config = VocabularyConfig(kind="bpe", size=8000, learn_from="x")
    return learn_tokenizer(documents, config, Context())


@pytest.mark.parametrize("number", [3000, pytest.param(50_000, marks=pytest.mark.slow)])
def test_bpe_gives_the_ids_of_hugging_face_on_real_text(data, real_pairs, number):
    texts = paragraphs(data, number)
    wanted = ids_of(byte_level(real_pairs), texts)
    assert real_pairs(tf.constant(texts)).to_list() == wanted


def test_bpe_gives_the_ids_of_tiktoken_on_real_text(real, real_pairs):
    tiktoken = pytest.importorskip("tiktoken")
    first = len(BYTE_PAIR_SPECIALS)
    ids = tf.RaggedTensor.from_tensor(tf.range(first, real_pairs.size)[:, None])
    parts = real_pairs.detokenize(ids).numpy()
    peer = tiktoken.Encoding(
        "learned",
        pat_str=PATTERN,
        mergeable_ranks={part: first + i for i, part in enumerate(parts)},
        special_tokens={},
    )
    wanted = [peer.encode_ordinary(text) for text in real]
    assert real_pairs(tf.constant(real)).to_list() == wanted


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=4))
def test_bpe_gives_the_ids_of_hugging_face_on_fuzzed_text(learned, texts):
    ours = learned("bpe")
    assert ours(tf.constant(texts)).to_list() == ids_of(byte_level(ours), texts)


def test_bpe_cuts_every_pair_of_characters_as_hugging_face_does(learned):
    sample = " '\n\t\u00a0\u3000sltrevdmaZ1²中é\u0301.,-\u096c\u200d\U0001f600Σ٣\0"
    texts = [a + b + c for a in sample for b in sample for c in sample]
    texts += [f"x{text}y" for text in texts]
    ours = learned("bpe")
    assert ours(tf.constant(texts)).to_list() == ids_of(byte_level(ours), texts)


def test_every_character_is_a_letter_a_number_or_neither_as_in_hugging_face(learned):
    points = [*range(0xD800), *range(0xE000, 0x33500), *range(0xE0000, 0xE0200)]
    texts = ["".join(f"a{chr(p)}1" for p in points[i::5000]) for i in range(5000)]
    ours = learned("bpe")
    assert ours(tf.constant(texts)).to_list() == ids_of(byte_level(ours), texts)


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=4))
def test_bytes_give_any_text_back(learned, texts):
    tokenizer = learned("bpe")
    back = tokenizer.detokenize(tokenizer(tf.constant(texts))).numpy()
    assert [text.decode() for text in back] == texts


def test_merges_that_no_text_reaches_do_no_harm():
    merges = [("b", "c"), ("a", "b"), ("ab", "c"), ("a", "bc"), ("c", "a")]
    made = ["bc", "ab", "abc", "ca"]
    ours = BytePair(
        [*byte_alphabet(), *made, "<|end|>"],
        merges[:3] + merges[4:],
        specials=dict.fromkeys(("pad", "start", "end"), "<|end|>"),
    )
    texts = ["abc", "abcabc", "ab", "aab", "cabcab", "bca", "ca" * 5]
    assert ours(tf.constant(texts)).to_list() == ids_of(byte_level(ours), texts)
    assert 258 not in ours(tf.constant(texts)).flat_values


@settings(max_examples=25, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=14),
    texts=st.lists(st.text("abc", max_size=30), min_size=1, max_size=8),
)
def test_any_list_of_merges_gives_the_ids_of_hugging_face(pairs, texts):
    parts, merges = ["a", "b", "c"], []
    for left, right in pairs:
        pair = (parts[left % len(parts)], parts[right % len(parts)])
        if pair not in merges and len("".join(pair)) < 40:
            merges.append(pair)
            if "".join(pair) not in parts:
                parts.append("".join(pair))
    ours = BytePair(
        [*byte_alphabet(), *parts[3:], "<|end|>"],
        merges,
        specials=dict.fromkeys(("pad", "start", "end"), "<|end|>"),
        letters="41-5a 61-7a",
        numbers="30-39",
    )
    assert ours(tf.constant(texts)).to_list() == ids_of(byte_level(ours), texts)
