from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from textmill.components.vocabulary_learner.bpe import MIN_COUNT, Merger, learn_merges
from textmill.components.vocabulary_learner.wordpiece import learn_pieces

COUNTS = st.dictionaries(st.text("abc", min_size=1, max_size=9), st.integers(1, 9))


def count_again(counts):
    """Merges by counting all pairs again each time."""
    words = {word: list(word) for word in counts}
    merges = []
    while True:
        totals = Counter()
        for word, pieces in words.items():
            for pair in pairwise(pieces):
                totals[pair] += counts[word]
        if not totals or max(totals.values()) < MIN_COUNT:
            return merges
        best = min(totals, key=lambda pair: (-totals[pair], pair))
        merges.append(best)
        for pieces in words.values():
            at = 0
            while at + 1 < len(pieces):
                if (pieces[at], pieces[at + 1]) == best:
                    pieces[at : at + 2] = ["".join(best)]
                at += 1


@given(counts=COUNTS)
def test_merges_equal_those_of_a_full_recount(counts):
    words = [(list(word), count) for word, count in counts.items()]
    found = [pair for pair, _ in Merger(words, "".join).merges()]
    assert found == count_again(counts)


@given(counts=COUNTS)
def test_the_order_of_words_does_not_matter(counts):
    backwards = dict(reversed(counts.items()))
    assert learn_merges(counts, num_entries=5) == learn_merges(backwards, num_entries=5)
    assert learn_pieces(counts, size=9) == learn_pieces(backwards, size=9)


def test_merges_stop_at_the_number_of_entries():
    assert learn_merges({"abab": 3, "cd": 2}, num_entries=2) == [
        ("a", "b"),
        ("ab", "ab"),
    ]


def test_an_alphabet_beyond_its_half_keeps_the_most_frequent_pieces():
    counts = {"zy": 9, "zx": 8, "a": 2, "b": 3, "c": 1}
    assert learn_pieces(counts, size=6) == ["##x", "##y", "z", "zy", "zx", "b"]


def test_rare_pieces_fill_the_rest_of_the_vocabulary():
    counts = {"世": 5, "界": 4, "和": 3, "平": 2, "一": 1}
    assert learn_pieces(counts, size=4) == ["世", "界", "和", "平"]
    assert learn_pieces(counts, size=9) == ["世", "和", "平", "界"]
