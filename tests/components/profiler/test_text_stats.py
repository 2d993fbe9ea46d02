"""Tallies and measures, against plain loops and against numbers worked by hand."""

import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.components.profiler.drift import jensen_shannon, l_infinity
from textmill.components.profiler.sketches import (
    SKETCH_SIZE,
    BottomKSketch,
    LengthHistogram,
    TopTerms,
)
from textmill.components.profiler.text_stats import GRAM, SCRIPTS, count_texts

TEXTS = st.lists(st.text(), max_size=8)


@given(TEXTS)
@settings(deadline=None)
def test_words_are_those_of_split(texts):
    found = count_texts(texts, TopTerms()).num_words if texts else []
    assert list(found) == [len(text.split()) for text in texts]


@given(st.lists(st.text("aAbé 1_-\n"), min_size=1, max_size=8))
@settings(deadline=None)
def test_terms_are_those_of_a_loop(texts):
    terms = TopTerms()
    count_texts(texts, terms)
    terms.seal()
    words = Counter(
        word for text in texts for word in re.findall(r"[^\W\d_]{2,}", text.lower())
    )
    assert dict(terms.ranked()) == words
    assert terms.total == words.total()


@given(st.lists(st.text("ab天 "), min_size=1, max_size=4).map("".join))
@settings(deadline=None)
def test_sequences_are_those_of_a_loop(text):
    text *= 5
    words = re.findall("[ab]+|天", text)
    count = max(len(words) - GRAM + 1, bool(words))
    expected = {tuple(words[i : i + GRAM]) for i in range(count)}
    found = count_texts([text, text], TopTerms()).grams
    assert len(set(found.tolist())) == len(expected)
    assert len(found) == 2 * count


def test_a_sequence_hashes_the_same_wherever_it_stands():
    text = "one two three four five six seven eight nine ten eleven twelve thirteen"
    alone = count_texts([text], TopTerms()).grams
    inside = count_texts(["é " * 40, f"天 {text.upper()}"], TopTerms()).grams
    assert set(alone.tolist()) < set(inside.tolist())


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Straße 12", "Latin"),
        ("мир and Welt мир", "Latin"),
        ("мир мир", "Cyrillic"),
        ("天气 ok 很好", "Han"),
        ("ひらがなカタ漢", "Kana"),
        ("ภาษาไทย", "Thai"),
        ("हिन्दी", "Devanagari"),
        ("한국어", "Hangul"),
        ("ᚠᚢᚦ", "other"),
    ],
)
def test_a_text_has_the_script_of_most_letters(text, script):
    [found] = count_texts([text], TopTerms()).scripts
    assert SCRIPTS[found] == script


def test_a_text_without_letters_has_no_script():
    assert count_texts(["12 !?", ""], TopTerms()).scripts.tolist() == [-1, -1]


def test_marks_belong_to_their_word():
    terms = TopTerms()
    count_texts(["हिन्दी हिन्दी"], terms)
    terms.seal()
    assert terms.ranked() == [("हिन्दी", 2)]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(1, 100))
def test_percentiles_are_lengths_that_occur(lengths, percent):
    found = LengthHistogram.of(np.array(lengths)).percentile(percent)
    assert found in lengths
    assert sum(length <= found for length in lengths) * 100 >= percent * len(lengths)
    shorter = sum(length < found for length in lengths)
    assert shorter * 100 < percent * len(lengths)


def test_lengths_add_up():
    one, two = (
        LengthHistogram.of(np.array([1, 1, 7])),
        LengthHistogram.of(np.array([7, 30])),
    )
    both = one + two
    assert both.values.tolist() == [1, 7, 30]
    assert both.counts.tolist() == [2, 2, 1]
    assert both.total == 46
    assert both.histogram((0, 2, 5, 10)) == [2, 0, 2, 1]
    assert both.outside(2, 10) == (2, 1)


def test_sealed_terms_keep_the_most_frequent_and_add_up():
    def tally(*words):
        terms = TopTerms()
        count_texts([" ".join(words)], terms)
        terms.seal(limit=2)
        return terms

    first = tally("aa", "aa", "bb", "bb", "cc")
    assert first.ranked() == [("aa", 2), ("bb", 2)]
    assert first.total == 5
    first.merge(tally("bb", "dd", "dd"))
    assert first.ranked() == [("bb", 3), ("aa", 2), ("dd", 2)]
    assert first.total == 8


def test_a_sketch_is_exact_while_it_is_small():
    one, two = BottomKSketch(), BottomKSketch()
    one.add(np.array([1, 2, 2, 3], np.uint64))
    two.add(np.array([2, 3, 4, 5, 6], np.uint64))
    assert one.share_in(two) == 3 / 4
    assert two.share_in(one) == 2 / 5
    assert BottomKSketch().share_in(one) is None
    assert one.share_in(BottomKSketch()) == 0


def test_large_sets_are_sampled_alike_however_they_were_added():
    hashes = np.random.default_rng(0).integers(0, 1 << 64, 1_000_000, np.uint64)
    whole, parts, half = BottomKSketch(), BottomKSketch(), BottomKSketch()
    whole.add(hashes)
    for part in np.array_split(hashes[::-1], 7):
        parts.add(part)
    half.add(hashes[:500_000])
    assert len(whole.hashes) == SKETCH_SIZE
    assert np.array_equal(whole.hashes, parts.hashes)
    assert np.array_equal(whole.hashes, np.sort(hashes)[:SKETCH_SIZE])
    assert whole.share_in(half) == pytest.approx(0.5, abs=0.005)
    assert half.share_in(whole) == 1


def test_merged_sketches_count_as_one_does():
    hashes = np.random.default_rng(1).integers(0, 400_000, 1_000_000).astype(np.uint64)
    whole, parts = BottomKSketch(), BottomKSketch()
    whole.add(hashes)
    for part in np.array_split(hashes, 3):
        one = BottomKSketch()
        one.add(part)
        parts.merge(one)
    other = BottomKSketch()
    other.add(np.arange(0, 1 << 20, 3, np.uint64))
    assert np.array_equal(whole.hashes, parts.hashes)
    assert whole.share_in(other) == parts.share_in(other)
    below = hashes[hashes < min(whole.bound, other.bound)]
    assert whole.share_in(other) == (below % 3 == 0).mean()


def test_l_infinity_is_the_largest_difference_of_shares():
    found = l_infinity("labels", {"a": 50, "b": 50}, {"a": 30, "c": 70})
    assert (found.value, found.detail) == (0.7, "'c' from 70.0% to 0.0%")
    assert found.chance == round(3 * math.sqrt(0.35 * 0.65 * 2 / 100), 6)
    assert found.excess == found.value - found.chance


def test_jensen_shannon_is_zero_for_the_same_and_one_for_nothing_shared():
    assert jensen_shannon("words", {"a": 1, "b": 1}, {"a": 2, "b": 2}).value == 0
    assert jensen_shannon("words", {"a": 5}, {"b": 5}).value == 1
    half = jensen_shannon("words", {"a": 1}, {"a": 1, "b": 1}).value
    assert half == round(1.5 - 0.75 * math.log2(3), 6)


def test_two_samples_of_one_source_differ_by_chance_alone():
    draw = np.random.default_rng(3)
    for _ in range(50):
        one, two = (Counter(draw.poisson(6, size).tolist()) for size in (300, 1000))
        assert jensen_shannon("words", one, two).excess < 0.01
        assert l_infinity("words", one, two).excess < 0.02
