import gzip
import hashlib
import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.components.text import word_hashing as words
from textmill.components.text.shingles import ngram_hashes, sequence_hashes, text_key
from textmill.components.text.word_hashing import normalize, word_hashes

LETTERS = "aB1 é.,'_-\n\t\x1c\x85\xa0ßİ\u00adΣעָ中々かカーｶ。！😀"
LETTERS += "\u0915\u094d\u0937\u093f\u0e01\u0e33\u0edc\u1780\u1039\U00020000"
LETTERS += "\ufe0f\ud800"
TEXTS = st.lists(st.text(alphabet=LETTERS), max_size=8)
NO_SPACES = ("CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA")
NO_SPACES += ("THAI", "LAO", "KHMER", "MYANMAR")

GOLDEN_WORD = [0x8B53A23CA652FF28]
GOLDEN_GRAMS = [
    0xAF50A286930663C5,
    0x1542C66BE3AC480C,
    0x848729BF2755BFD4,
    0x8C38AB7DAC708C9A,
    0x9EDFB22CFD0C98F3,
]
GOLDEN_SEQUENCES = [0xEB5177E38211A8C7, 0x7C53C291536CE4F0, 0x83EEF4A89C713DA2]


def split_words(text):
    """Finds the words as the module's docstring tells, a character at a time."""
    found = [""]
    for char in text.casefold():
        category, name = unicodedata.category(char), unicodedata.name(char, "")
        if category == "Cf" or char == "\ufe0f":
            continue
        if category[0] not in "LMN":
            found.append("")
        elif name.startswith(NO_SPACES) or char == "ー":
            found += [char, ""]
        else:
            found[-1] += char
    return [word for word in found if word]


def grams_of(text, n):
    parts = split_words(text)
    if len(parts) < n:
        return [tuple(parts)] if parts else []
    return [tuple(parts[i : i + n]) for i in range(len(parts) - n + 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (" .,!\n", ""),
        ("Don't PANIC:\r\n42 snake_case", "don t panic 42 snake case"),
        ("co\u00adoperate \u201cquoted\u201d caf\u00e9", "cooperate quoted caf\u00e9"),
        ("Stra\u00dfe \u2764\ufe0f \U0001f600 x\u0301", "strasse x\u0301"),
        ("深度学习GPU加速。", "深 度 学 习 gpu 加 速"),
        ("カメラは3台", "カ メ ラ は 3 台"),
        ("ภาษา", "ภ า ษ า"),
        ("हिन्दी में", "हिन्दी में"),
    ],
)
def test_normalize_leaves_words_between_single_spaces(text, expected):
    assert normalize(text).decode() == expected


@given(st.text(alphabet=LETTERS))
def test_words_are_those_of_a_walk_over_characters(text):
    expected = " ".join(split_words(text))
    assert normalize(text) == expected.encode("utf-8", "surrogatepass")


@given(TEXTS, st.integers(1, 6))
def test_equal_ngrams_and_no_others_have_equal_hashes(texts, n):
    values, splits = ngram_hashes(texts, n)
    grams = [grams_of(text, n) for text in texts]
    assert np.diff(splits).tolist() == [len(some) for some in grams]
    flat = [gram for some in grams for gram in some]
    pairs = set(zip(flat, values.tolist(), strict=True))
    assert len(pairs) == len(set(flat)) == len(set(values.tolist()))


@given(TEXTS, st.integers(1, 6))
def test_hashes_do_not_depend_on_the_rest_of_the_batch(texts, n):
    values, splits = ngram_hashes(texts, n)
    for i, text in enumerate(texts):
        alone = ngram_hashes([text], n)
        assert alone.values.tolist() == values[splits[i] : splits[i + 1]].tolist()


def test_hashes_do_not_depend_on_chunks(monkeypatch):
    texts = [
        f"Text {i}, with {'ü' * (i % 3)} and {i % 7} more words" for i in range(99)
    ]
    whole = ngram_hashes(texts, 5)
    monkeypatch.setattr(words, "_CHUNK_CHARS", 100)
    cut = ngram_hashes(texts, 5)
    assert whole.values.tolist() == cut.values.tolist()
    assert whole.splits.tolist() == cut.splits.tolist()


def test_an_ngram_has_the_same_hash_wherever_it_stands():
    texts = ["one two three four", "ZERO! one (two) three", "\u201cone\u201d two three"]
    values, splits = ngram_hashes(texts, 3)
    assert splits.tolist() == [0, 2, 4, 5]
    assert values[0] == values[3] == values[4]
    assert len(set(values.tolist())) == 3


def test_short_texts_have_one_hash_and_empty_ones_none():
    values, splits = ngram_hashes(["", "one two", "one two three", "...", "two one"], 3)
    assert splits.tolist() == [0, 0, 1, 2, 2, 3]
    assert len(set(values.tolist())) == 3


def test_no_text_gives_no_hash():
    values, splits = ngram_hashes([], 5)
    assert (values.dtype, len(values), splits.tolist()) == (np.uint64, 0, [0])


def test_long_words_differ_by_any_byte_and_by_length():
    texts = ["a" * n for n in range(1, 200)]
    texts += ["a" * n + "b" + "a" * (99 - n) for n in range(100)]
    values, splits = word_hashes(texts)
    assert np.diff(splits).tolist() == [1] * len(texts)
    assert len(set(values.tolist())) == len(texts)


def test_sequences_are_known_by_their_words_in_order():
    texts = ["a b c", "A, b. C", "a c b", "a b", "", "a b c c", "中 国", "中国"]
    hashes = sequence_hashes(word_hashes(texts)).tolist()
    assert hashes[0] == hashes[1]
    assert hashes[6] == hashes[7]
    assert len(set(hashes)) == 6


def test_hashes_stay_what_they_are():
    texts = ["The quick brown fox jumps", "naïve 中文", "incomprehensibilities"]
    assert word_hashes(texts[2:]).values.tolist() == GOLDEN_WORD
    assert ngram_hashes(texts, 3).values.tolist() == GOLDEN_GRAMS
    assert sequence_hashes(word_hashes(texts)).tolist() == GOLDEN_SEQUENCES


def test_real_text_has_no_collisions(data):
    with gzip.open(data / "specs_documents.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines][::8]
    values, splits = ngram_hashes(texts, 3)
    grams = [gram for t in texts for gram in zip(*_shifted(normalize(t)), strict=False)]
    assert len(grams) == len(values) == splits[-1]
    assert len(np.unique(values)) == len(set(grams))
    low = np.bincount((values & np.uint64(255)).astype(np.int64))
    assert len(low) == 256


def _shifted(normal):
    parts = normal.split()
    return parts, parts[1:], parts[2:]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("x", 1), (" ", 0), (".", 0), ("x ", 499_996), ("é", 1), ("中", 999_996)],
)
def test_a_megabyte_of_one_thing_is_no_trouble(text, expected):
    values, splits = ngram_hashes([text * (1_000_000 // len(text))], 5)
    assert splits.tolist() == [0, expected]
    assert len(np.unique(values)) == min(expected, 1)


@given(st.text(alphabet=LETTERS.replace("\ud800", "")))
def test_text_key_is_the_hash_of_the_folded_text(text):
    expected = hashlib.blake2b(
        " ".join(text.casefold().split()).encode(), digest_size=16
    ).digest()
    assert text_key(text) == expected


@given(st.text(alphabet=[chr(code) for code in range(128)]))
def test_text_key_folds_every_ascii_character_alike(text):
    assert text_key(text) == text_key("\u3000" + text)
