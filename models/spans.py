"""Spans of characters in the values of a source: tags with names, and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MOST_SHOWN = 40
"""Characters of a text in messages."""


def mismatch(expected: str, value: Any) -> str:
    """Returns ``expected a string, got list`` for messages."""
    got = "an empty string" if value == "" else type(value).__name__
    return f"expected {expected}, got {got}"


def tagged_span(value: Any, text: str) -> dict[str, Any]:
    """Returns a span as ``{"start": 0, "end": 5, "label": "place"}``.

    Raises:
        ValueError: it is something else, or not in the text.
    """
    span = _with_keys(value, "start", "end", "label")
    if span is None:
        raise ValueError(mismatch("a span of start, end and label", value))
    start, end, label = span["start"], span["end"], span["label"]
    if type(start) is not int or type(end) is not int or type(label) is not str:
        raise ValueError("expected a span of two integers and a string")
    if not 0 <= start < end <= len(text) or not label:
        raise ValueError(
            f"expected a named span inside a text of {len(text)} characters, got "
            f"{start} to {end}"
        )
    return {"start": start, "end": end, "label": label}


def answer_places(value: Any, text: str) -> list[dict[str, int]]:
    """Returns the different places of answers, in the order of the data.

    A value is a list of ``{"start": 0, "end": 5}`` or ``[0, 5]``, SQuAD's
    ``{"text": ["Paris"], "answer_start": [0]}``, or one or more texts that occur in
    the text, each taken at its first place.

    Raises:
        ValueError: it is something else, or not in the text.
    """
    if isinstance(value, Mapping) and set(value) == {"text", "answer_start"}:
        places = _squad_places(value["text"], value["answer_start"], text)
    elif isinstance(value, list | str):
        values = [value] if isinstance(value, str) else value
        places = [_place(item, text) for item in values]
    else:
        raise ValueError(mismatch("a list of answers or a text", value))
    return [{"start": start, "end": end} for start, end in dict.fromkeys(places)]


def _squad_places(answers: Any, starts: Any, text: str) -> list[tuple[int, int]]:
    if not isinstance(answers, list) or not isinstance(starts, list):
        raise ValueError("expected lists as text and answer_start")
    if len(answers) != len(starts):
        got = f"{len(answers)} texts and {len(starts)} places"
        raise ValueError(f"expected an answer_start for each text, got {got}")
    places = []
    for answer, start in zip(answers, starts, strict=True):
        if type(answer) is not str or type(start) is not int or not answer:
            raise ValueError("expected texts and integers as text and answer_start")
        there = text[start : start + len(answer)] if start >= 0 else ""
        if there != answer:
            raise ValueError(
                f"expected {_shown(answer)} at character {start} of the text, got "
                f"{_shown(there)}"
            )
        places.append((start, start + len(answer)))
    return places


def _place(value: Any, text: str) -> tuple[int, int]:
    """Returns start and end of an answer."""
    if isinstance(value, str):
        start = text.find(value) if value else -1
        if start < 0:
            raise ValueError(f"expected an answer in the text, got {_shown(value)}")
        return start, start + len(value)
    place = _with_keys(value, "start", "end")
    if place is None:
        raise ValueError(mismatch("an answer of start and end", value))
    start, end = place["start"], place["end"]
    if type(start) is not int or type(end) is not int:
        raise ValueError("expected an answer of two integers")
    if not 0 <= start < end <= len(text):
        raise ValueError(
            f"expected an answer inside a text of {len(text)} characters, got "
            f"{start} to {end}"
        )
    return start, end


def _with_keys(value: Any, *keys: str) -> Mapping[str, Any] | None:
    """Returns a mapping, or a list of its values, as a mapping; None for others."""
    if isinstance(value, list) and len(value) == len(keys):
        return dict(zip(keys, value, strict=True))
    return value if isinstance(value, Mapping) and set(value) == set(keys) else None


def _shown(text: str) -> str:
    short = text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"
    return repr(short)
