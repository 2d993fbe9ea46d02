import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.components.ingester.dedup.decontamination import (
    contamination,
    ngram_index,
)
from textmill.components.profiler.sketches import BottomKSketch, TopTerms
from textmill.components.profiler.text_stats import GRAM, count_texts
from textmill.components.text.shingles import ngram_hashes

QUESTION = (
    "which of these three rivers runs through the old town before it meets the sea"
)


def shares(texts, forbidden, n=13):
    index = ngram_index(ngram_hashes(forbidden, n).values)
    return contamination(*ngram_hashes(texts, n), index).tolist()


def test_an_index_is_sorted_and_unique():
    found = ngram_index(np.array([5, 1 << 63, 5, 0], np.uint64))
    assert found.tolist() == [0, 5, 1 << 63]


def test_shares_are_of_the_ngrams_that_occur():
    texts = [
        QUESTION,
        "WHICH of these three rivers runs -- through the old town, before it meets us!",
        "now say " + QUESTION,
        " ".join(reversed(QUESTION.split())),
        "",
        "which of these",
    ]
    assert shares(texts, [QUESTION]) == [1.0, 1 / 2, 3 / 5, 0.0, 0.0, 0.0]


def test_short_forbidden_texts_forbid_themselves_only():
    assert shares(["Yes, it is.", "Yes it is so"], ["yes it is"]) == [1.0, 0.0]


def test_repeated_ngrams_count_as_often_as_they_occur():
    assert shares(["a b a b a c"], ["a b"], n=2) == [0.4]


def test_nothing_is_contaminated_without_an_index():
    assert shares([QUESTION, ""], []) == [0.0, 0.0]
    assert shares([], [QUESTION]) == []


@given(
    st.lists(st.lists(st.integers(0, 40), max_size=9), max_size=6),
    st.lists(st.integers(0, 40), max_size=30),
    st.sampled_from([1, 1 << 40, (1 << 64) // 41]),
)
def test_shares_are_exact(documents, forbidden, spacing):
    values = np.array([v * spacing for some in documents for v in some], np.uint64)
    splits = np.cumsum([0, *map(len, documents)])
    index = ngram_index(np.array([v * spacing for v in forbidden], np.uint64))
    expected = [
        sum(v in forbidden for v in some) / max(len(some), 1) for some in documents
    ]
    assert contamination(values, splits, index).tolist() == pytest.approx(expected)


def test_a_large_index_answers_as_a_set_does():
    generator = np.random.default_rng(5)
    values = generator.integers(0, 1 << 64, 200_000, np.uint64)
    index = ngram_index(values[::2])
    found = contamination(values, np.arange(200_001), index)
    assert found.tolist() == [1.0, 0.0] * 100_000


def overlaps(texts, protected):
    """Returns the overlap of the profiler, and of decontamination over all texts."""
    profiled, learned = BottomKSketch(), BottomKSketch()
    profiled.add(count_texts(texts, TopTerms()).grams)
    learned.add(count_texts(protected, TopTerms()).grams)
    index = ngram_index(ngram_hashes(protected, GRAM).values)
    values, splits = ngram_hashes(texts, GRAM)
    counts = np.diff(splits)
    shared = contamination(values, splits, index) @ counts
    return profiled.share_in(learned), shared / counts.sum() if len(values) else None


def test_decontamination_and_the_profiler_report_the_same_overlap():
    shared = " ".join(f"Word{n}" for n in range(40))
    train = [shared + " ends here.", "天地玄黄宇宙洪荒日月盈昃辰宿列张", "Yes, it is."]
    own = " ".join(f"other{n}" for n in range(30))
    for texts, expected in (
        ([f"{shared.upper()}; {own}"], 28 / 58),
        (["short", "yes it is", "yes it is"], 2 / 3),
        (["天地玄黄宇宙洪荒", "天地玄黄宇宙洪荒日月盈昃辰"], 1 / 2),
        ([f"{shared}; {own}; {shared}; {own}"], 56 / 128),
        ([""], None),
    ):
        assert overlaps(texts, train) == (expected, expected)


WORDS = st.lists(st.sampled_from("abc"), max_size=40).map(" ".join)


@given(st.lists(WORDS, min_size=1, max_size=6), st.lists(WORDS, min_size=1, max_size=6))
def test_they_agree_on_short_and_repeating_texts(texts, protected):
    profiled, contaminated = overlaps(texts, protected)
    assert profiled == (contaminated and pytest.approx(contaminated))
