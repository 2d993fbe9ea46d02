"""Spans of characters in rows: tags of tokens, and the place of an answer."""

import numpy as np
import pytest

from textmill.components.tokenizer.packing import Windows
from textmill.components.tokenizer.span_rows import (
    TokenSpans,
    answer_rows,
    check_labels,
    tag_rows,
)
from textmill.models.errors import DataError

LABELS = ["name", "place"]


def token_spans(*texts):
    """Returns the spans of words that spaces separate, in bytes."""
    starts, ends, splits = [], [], [0]
    for text in texts:
        position = 0
        for word in text.split(" "):
            starts.append(position)
            ends.append(position + len(word.encode()))
            position = ends[-1] + 1
        splits.append(len(starts))
    return TokenSpans(*map(np.array, (starts, ends, splits)))


def windows(*rows):
    return Windows(*np.array(rows).T)


def span(start, end, label):
    return {"start": start, "end": end, "label": label}


def test_tags_number_the_tokens_of_spans_and_no_others():
    text = "Ada Bo in New York"
    tags = [span(0, 3, "name"), span(4, 6, "name"), span(10, 18, "place")]
    batch = [{"text": text, "tags": tags}]
    rows = tag_rows(
        batch, token_spans(text), windows((0, 0, 5, 1)), labels=LABELS, width=8
    )
    assert rows.tolist() == [[255, 1, 1, 0, 3, 4, 255, 255]]


def test_a_window_has_the_tags_of_its_own_tokens():
    text = "Ada Bo in New York"
    batch = [{"text": text, "tags": [span(10, 18, "place")]}]
    rows = tag_rows(
        batch,
        token_spans(text),
        windows((0, 0, 4, 1), (0, 4, 1, 1)),
        labels=LABELS,
        width=6,
    )
    assert rows.tolist() == [[255, 0, 0, 0, 3, 255], [255, 4, 255, 255, 255, 255]]


def test_spans_count_characters_where_tokens_count_bytes():
    text = "Zoë 😀 in Łódź"
    batch = [{"text": text, "tags": [span(0, 3, "name"), span(9, 13, "place")]}]
    rows = tag_rows(
        batch, token_spans(text), windows((0, 0, 4, 0)), labels=LABELS, width=4
    )
    assert [text[0:3], text[9:13]] == ["Zoë", "Łódź"]
    assert rows.tolist() == [[1, 0, 0, 3]]


def test_a_token_of_a_part_of_a_character_is_that_character():
    spans = TokenSpans(np.array([0, 2]), np.array([2, 4]), np.array([0, 2]))
    starts, ends = spans.characters(0, "😀")
    assert (starts.tolist(), ends.tolist()) == ([0, 0], [1, 1])


def test_a_token_belongs_to_the_first_span_that_it_overlaps():
    text = "New-York-ers"
    batch = [{"text": text, "tags": [span(0, 8, "place"), span(9, 12, "name")]}]
    rows = tag_rows(
        batch, token_spans(text), windows((0, 0, 1, 0)), labels=LABELS, width=1
    )
    assert rows.tolist() == [[3]]


def test_an_answer_is_its_tokens_in_the_windows_that_hold_it_whole():
    passage, question = "Ada lives in New York now", "Where does Ada live"
    batch = [
        {"text": passage, "text_2": question, "answers": [{"start": 13, "end": 21}]},
        {"text": passage, "text_2": question, "answers": []},
    ]
    tokens = token_spans(passage, question, passage, question)
    rows = answer_rows(batch, tokens, windows((0, 0, 4, 6), (0, 2, 4, 6), (1, 0, 4, 6)))
    assert rows.tolist() == [[0, 0], [7, 8], [0, 0]]
    assert rows.dtype == np.int32


def test_too_many_labels_of_spans_are_refused():
    check_labels(["x"] * 127)
    with pytest.raises(DataError, match="at most 127 labels of spans, got 128"):
        check_labels(["x"] * 128)
