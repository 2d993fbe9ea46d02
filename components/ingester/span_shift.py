"""Spans of a text after cleaning, where cleaning only removed characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def shift_spans(
    spans: Sequence[dict[str, Any]], before: str, after: str
) -> list[dict[str, Any]] | None:
    """Returns spans of a text as spans of its cleaned form; None if that is unsure.

    The cleaned text must be the text without some characters. Which ones were removed
    may be ambiguous, as in a run of equal ones; a span is sure if its first and last
    characters, without white space around them, are at one place in every reading.
    """
    first = _places(before, after)
    last = _places(before[::-1], after[::-1])
    if first is None or last is None:
        return None
    size = len(after)
    sure = {
        place: number
        for number, place in enumerate(first)
        if place == len(before) - 1 - last[size - 1 - number]
    }
    shifted = []
    for span in spans:
        begin, end = span["start"], span["end"]
        while begin < end and before[begin].isspace():
            begin += 1
        while begin < end and before[end - 1].isspace():
            end -= 1
        if begin == end or begin not in sure or end - 1 not in sure:
            return None
        shifted.append({**span, "start": sure[begin], "end": sure[end - 1] + 1})
    return shifted


def _places(before: str, after: str) -> list[int] | None:
    """Returns the first place of each character of the cleaned text in the text.

    None if it has others, or in another order.
    """
    places, position = [], -1
    for character in after:
        position = before.find(character, position + 1)
        if position < 0:
            return None
        places.append(position)
    return places
