import gzip
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.components.ingester.dedup.passages import (
    WINDOWS,
    cut,
    paragraphs,
    repeated,
    span_hashes,
)
from textmill.components.text.sentences import sentences

UNITS = ["paragraphs", "sentences"]
FINDERS = {"paragraphs": paragraphs, "sentences": sentences}
PROSE = st.text(alphabet="aB .!?\n\r\t。！”\u3000", max_size=60)


def parts(text, unit):
    return [text[begin:end] for begin, end in FINDERS[unit](text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\n ", []),
        ("one", ["one"]),
        ("one\ntwo\n\nthree\n", ["one\ntwo", "three"]),
        ("\n\none\n \t\n\n  two\n\n", ["one", "  two"]),
        ("one\r\n\r\ntwo", ["one\r", "two"]),
        ("one\ntwo\nthree\n\n", ["one", "two", "three"]),
    ],
)
def test_paragraphs_stand_between_blank_lines_or_else_are_lines(text, expected):
    assert parts(text, "paragraphs") == expected


@given(PROSE)
def test_units_cover_everything_but_white_space(text):
    for unit in UNITS:
        spans = FINDERS[unit](text)
        assert all(begin < end for begin, end in spans)
        assert sorted(spans) == spans
        joined = "".join(parts(text, unit))
        assert "".join(joined.split()) == "".join(text.split())


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    "text",
    [".", "!", "\n", " ", "。", "a", ".\n", ". ", '."', "\n ", "e.g. ", "A.b", "”"],
)
def test_a_megabyte_of_one_thing_is_no_trouble(text, unit):
    long = text * (1_000_000 // len(text))
    spans = FINDERS[unit](long)
    assert sum(len(long[begin:end].split()) for begin, end in spans) == len(
        long.split()
    )
    hashes, positions, _ = span_hashes([long], unit, min_words=1)
    assert len(hashes) <= len(spans)
    assert cut(long, positions[:1].tolist(), unit)[1] in (0, WINDOWS[unit])


def test_equal_paragraphs_have_equal_hashes_and_short_ones_none():
    texts = [
        "A first paragraph of words.\n\nToo short\n\nAnd a last one of words.",
        "",
        "and a last: one of WORDS",
        "...\n\n---",
    ]
    hashes, positions, splits = span_hashes(texts, "paragraphs", min_words=5)
    assert splits.tolist() == [0, 2, 2, 3, 3]
    assert positions.tolist() == [0, 2, 0]
    assert hashes[1] == hashes[2] != hashes[0]


def test_sentences_are_hashed_three_in_a_row():
    texts = [
        "One a. Two b. Three c. Four d.",
        "Two b. Three c.",
        "x y\nTwo b? Three c! Four d",
    ]
    hashes, positions, splits = span_hashes(texts, "sentences", min_words=6)
    assert splits.tolist() == [0, 2, 2, 4]
    assert positions.tolist() == [0, 1, 0, 1]
    assert len(set(hashes.tolist())) == 3
    assert hashes[1] == hashes[3]
    again = span_hashes(["TWO B! Three: c.\nFour d."], "sentences", min_words=6)
    assert again.hashes.tolist() == hashes[1:2].tolist()
    assert len(span_hashes(texts, "sentences", min_words=7).hashes) == 0


@given(st.lists(PROSE, max_size=5), st.sampled_from(UNITS), st.integers(0, 4))
def test_spans_do_not_depend_on_the_rest_of_the_batch(texts, unit, min_words):
    hashes, positions, splits = span_hashes(texts, unit, min_words=min_words)
    for i, text in enumerate(texts):
        alone = span_hashes([text], unit, min_words=min_words)
        assert alone.hashes.tolist() == hashes[splits[i] : splits[i + 1]].tolist()
        assert alone.positions.tolist() == positions[splits[i] : splits[i + 1]].tolist()


def test_all_but_the_first_by_rank_and_position_are_repeats():
    hashes = np.array([7, 7, 8, 7, 8, 9], np.uint64)
    ranks = np.array([2, 1, 0, 1, 5, 0])
    positions = np.array([0, 4, 0, 3, 1, 1])
    assert repeated(hashes, ranks, positions).tolist() == [1, 1, 0, 0, 1, 0]


def test_a_repeat_that_overlaps_the_first_is_left():
    hashes = np.full(7, 3, np.uint64)
    ranks = np.array([0, 0, 0, 0, 0, 1, 1])
    positions = np.array([0, 1, 2, 3, 4, 0, 1])
    marks = repeated(hashes, ranks, positions, width=3)
    assert marks.tolist() == [0, 0, 0, 1, 1, 1, 1]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 6)),
        unique_by=lambda span: span[1:],
    ),
    st.permutations(range(20)),
)
def test_repeats_do_not_depend_on_the_order_of_spans(spans, order):
    order = [i for i in order if i < len(spans)][: len(spans)]
    rest = [i for i in range(len(spans)) if i not in order]
    order = np.array([*order, *rest], np.int64)
    columns = np.array(spans, np.int64).reshape(-1, 3).T
    marks = repeated(columns[0].astype(np.uint64), columns[1], columns[2])
    shuffled = columns[:, order]
    again = repeated(shuffled[0].astype(np.uint64), shuffled[1], shuffled[2])
    assert again.tolist() == marks[order].tolist()
    assert (~marks).sum() == len(set(columns[0].tolist()))


@pytest.mark.parametrize(
    ("text", "positions", "unit", "expected"),
    [
        ("a\n\nb\n\n\nc\n", [1], "paragraphs", ("a\n\n\nc\n", 1)),
        ("a\n\nb\n\nc\n", [2], "paragraphs", ("a\n\nb", 1)),
        ("\n a\n\nb", [0], "paragraphs", ("b", 1)),
        ("\n a\n\nb\n", [1], "paragraphs", ("\n a", 1)),
        ("a\nb\nc", [0, 1], "paragraphs", ("c", 2)),
        ("a\n\nb", [0, 1], "paragraphs", ("", 2)),
        ("a\n\nb ", [], "paragraphs", ("a\n\nb ", 0)),
        ("A. B. C. D. E.", [1], "sentences", ("A. E.", 3)),
        ("A. B. C. D. E.", [0, 1], "sentences", ("E.", 4)),
        ("A.\n\nB. C. D. E.", [1], "sentences", ("A.\n\nE.", 3)),
        ("好。一。二。三。完", [1], "sentences", ("好。完", 3)),
    ],
)
def test_cut_takes_spans_and_tidies_white_space(text, positions, unit, expected):
    long = {"A": "Aa", "B": "Bb", "C": "Cc", "D": "Dd", "E": "Ee"}
    table = str.maketrans(long)
    got = cut(text.translate(table), positions, unit)
    assert got == (expected[0].translate(table), expected[1])


@given(PROSE, st.sampled_from(UNITS), st.data())
def test_cut_leaves_the_other_units_as_they_were(text, unit, data):
    units = parts(text, unit)
    possible = range(max(len(units) - WINDOWS[unit] + 1, 0))
    chosen = data.draw(
        st.sets(st.sampled_from(possible)) if possible else st.just(set())
    )
    gone = {place + k for place in chosen for k in range(WINDOWS[unit])}
    kept = [part for i, part in enumerate(units) if i not in gone]
    result, num_cut = cut(text, sorted(chosen), unit)
    assert num_cut == len(units) - len(kept)
    assert "".join(result.split()) == "".join("".join(kept).split())
    if not chosen:
        assert result == text


@pytest.mark.parametrize("unit", UNITS)
def test_real_text_keeps_one_of_every_span(data, unit):
    with gzip.open(data / "specs_documents.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines][::10]
    hashes, positions, splits = span_hashes(texts, unit)
    ranks = np.repeat(np.arange(len(texts))[::-1], np.diff(splits))
    marks = repeated(hashes, ranks, positions, width=WINDOWS[unit])
    assert 0 < marks.sum() < len(marks) / 10
    texts = [
        cut(text, positions[begin:end][marks[begin:end]].tolist(), unit)[0]
        for text, begin, end in zip(texts, splits[:-1], splits[1:], strict=True)
    ]
    left = span_hashes(texts, unit)
    if unit == "paragraphs":
        assert sorted(left.hashes.tolist()) == sorted(set(hashes.tolist()))
