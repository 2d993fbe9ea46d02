"""Spans stay on their characters where cleaning removes others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.components.ingester.span_shift import shift_spans


def shifted(before, after, start, end):
    spans = shift_spans([{"start": start, "end": end, "label": "x"}], before, after)
    return spans and [after[s["start"] : s["end"]] for s in spans]


@pytest.mark.parametrize(
    ("before", "after", "start", "end", "text"),
    [
        ("  Rome  ", "Rome", 2, 6, "Rome"),
        ("  Rome  ", "Rome", 0, 8, "Rome"),
        ("in  New  York now", "in New York now", 4, 13, "New York"),
        ("see <b>Rome</b>.", "see Rome.", 7, 11, "Rome"),
        ("a\r\nRome", "a\nRome", 3, 7, "Rome"),
        ("xx Łódź", "xŁódź", 3, 7, "Łódź"),
    ],
)
def test_a_span_is_on_the_same_characters(before, after, start, end, text):
    assert shifted(before, after, start, end) == [text]


@pytest.mark.parametrize(
    ("before", "after", "start", "end"),
    [
        ("e\u0301t\u00e9", "\u00e9t\u00e9", 0, 2),
        ("Rome", "rome", 0, 4),
        ("Rome now", "now", 0, 4),
        ("aa", "a", 0, 1),
        ("a  b", "a b", 1, 3),
    ],
)
def test_a_span_that_may_have_moved_is_refused(before, after, start, end):
    assert shifted(before, after, start, end) is None


@given(st.text("ab ", max_size=12), st.data())
def test_a_shifted_span_is_the_one_of_the_removal(before, data):
    keeps = data.draw(st.lists(st.booleans(), min_size=len(before), max_size=99))
    places = [i for i, keep in zip(range(len(before)), keeps, strict=False) if keep]
    after = "".join(before[i] for i in places)
    start = data.draw(st.integers(0, len(before)))
    end = data.draw(st.integers(start, len(before)))
    spans = shift_spans([{"start": start, "end": end}], before, after)
    if spans:
        [span] = spans
        inside = [n for n, i in enumerate(places) if start <= i < end]
        solid = [n for n in inside if not after[n].isspace()]
        assert (span["start"], span["end"]) == (solid[0], solid[-1] + 1)
