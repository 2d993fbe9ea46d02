"""Tagged texts: predicted spans in their text, and those that it lacks."""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from textmill.components.artifacts import Documents, Predictions
from textmill.components.reporter.shortened_texts import MAX_CHARACTERS, read_documents

Span = tuple[int, int, str]


def read_tagged(
    predictions: Predictions, documents: Documents, *, count: int
) -> dict[str, list[dict[str, Any]]]:
    """Returns some ``worst_tagged`` and ``tagged``: parts of a text, missed spans.

    The worst have most spans that are missed or wrong; ``tagged`` are the first
    documents of the split, whose order is that of a hash.
    """
    worst = heapq.nsmallest(
        count,
        (row for row in _rows(predictions) if row["mistakes"]),
        key=lambda row: (-row["mistakes"], row["id"]),
    )
    first = list(islice(_rows(predictions), count))
    ids = {row["id"] for row in [*worst, *first]}
    known = read_documents(predictions, documents, ids)
    return {
        name: [_described(row, known[row["id"]]["text"]) for row in rows]
        for name, rows in (("worst_tagged", worst), ("tagged", first))
    }


def _rows(predictions: Predictions) -> Iterator[dict[str, Any]]:
    for group in predictions.read_groups():
        pairs = zip(group["target"], group["spans"], strict=True)
        for id, pair in zip(group["id"], pairs, strict=True):
            true, predicted = (
                {(s["start"], s["end"], s["label"]) for s in json.loads(spans)}
                for spans in pair
            )
            mistakes = len(true ^ predicted)
            yield {"id": id, "true": true, "found": predicted, "mistakes": mistakes}


def _described(row: Mapping[str, Any], text: str) -> dict[str, Any]:
    missed = sorted(row["true"] - row["found"])
    return {
        "id": row["id"],
        "parts": mark_spans(text, sorted(row["found"]), row["true"]),
        "missed": [
            {"text": _line(text[start:end]), "label": label}
            for start, end, label in missed
        ],
    }


def mark_spans(
    text: str, found: Sequence[Span], true: set[Span]
) -> list[dict[str, Any]]:
    """Returns the parts of a shortened text: spans, and the text between them.

    A part has ``text``, and a span also ``label`` and ``correct``.
    """
    parts: list[dict[str, Any]] = []
    end = 0
    for span in found:
        if span[1] > MAX_CHARACTERS:
            break
        parts.append({"text": _line(text[end : span[0]])})
        shown = {"text": _line(text[span[0] : span[1]]), "label": span[2]}
        parts.append(shown | {"correct": span in true})
        end = span[1]
    rest = text[end : max(end, MAX_CHARACTERS)]
    more = "…" if end + len(rest) < len(text) else ""
    parts.append({"text": _line(rest) + more})
    return [part for part in parts if part["text"]]


def _line(text: str) -> str:
    """Returns a text of one line."""
    return re.sub(r"\s+", " ", text)
