"""WordPiece compared with Hugging Face's: equal ids, except those in the README."""

import unicodedata

import pytest
import tensorflow as tf
import tokenizers

from tests.models.conftest import paragraphs
from textmill.models.tokenizers import SPECIAL_TOKENS, WordPiece

RECLASSIFIED = {"\u166d", "\u1734", "\u1885", "\u1886"}
"""Characters of Unicode 3.2 that are of another class today than in Hugging Face."""


def bert_pair(data, *, lowercase=True):
    file = data / "bert_base_uncased_vocab.txt"
    peer = tokenizers.BertWordPieceTokenizer(str(file), lowercase=lowercase)
    entries = file.read_text(encoding="utf-8").split("\n")[:-1]
    ours = WordPiece(entries, lowercase=lowercase, normalization="bert")
    return ours, peer


def ids_of(peer, texts):
    encoded = peer.encode_batch(texts, add_special_tokens=False)
    return [encoding.ids for encoding in encoded]


def is_explained(text):
    """Says whether a difference is one that models/README.md lists."""
    longest = max(map(len, text.split()), default=0)
    young = any(unicodedata.ucd_3_2_0.category(c) == "Cn" for c in text)
    return longest > 50 or "Σ" in text or young or bool({*text} & RECLASSIFIED)


@pytest.mark.parametrize("number", [3000, pytest.param(90_000, marks=pytest.mark.slow)])
def test_wordpiece_gives_the_ids_of_hugging_face_on_real_text(data, number):
    texts = paragraphs(data, number)
    ours, peer = bert_pair(data)
    pairs = zip(
        texts, ours(tf.constant(texts)).to_list(), ids_of(peer, texts), strict=True
    )
    differing = [text for text, mine, theirs in pairs if mine != theirs]
    assert len(differing) <= 1e-4 * len(texts)
    assert [text for text in differing if not is_explained(text)] == []


@pytest.mark.parametrize("lowercase", [True, False])
def test_every_character_cuts_words_as_hugging_face_does(lowercase):
    entries = [*SPECIAL_TOKENS, "a", "b", "ab", "##b"]
    points = [p for p in (*range(0xD800), *range(0xE000, 0x1D800))]
    known = [chr(p) for p in points if unicodedata.ucd_3_2_0.category(chr(p)) != "Cn"]
    texts = [f"a{character}b" for character in known]
    peer = tokenizers.BertWordPieceTokenizer(
        {entry: i for i, entry in enumerate(entries)}, lowercase=lowercase
    )
    ours = WordPiece(entries, lowercase=lowercase, normalization="bert")
    mine = ours(tf.constant(texts)).to_list()
    pairs = zip(known, mine, ids_of(peer, texts), strict=True)
    differing = {character for character, a, b in pairs if a != b}
    assert differing == (RECLASSIFIED if lowercase else {"\u166d"})
