"""Texts that a stage found: for a query, or as the answer to a question."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from textmill.components.artifacts import Documents, Predictions
from textmill.components.reporter.shortened_texts import read_documents, shorten
from textmill.models.metrics.answers import exact_match


def read_retrieved(
    predictions: Predictions, documents: Documents, *, count: int
) -> dict[str, list[dict[str, Any]]]:
    """Returns ``retrieved``: the queries whose own text has the worst ranks.

    Each has the query, its text, the nearest text and the rank.
    """
    rows = (
        {"id": id, "rank": int(rank), "nearest": shorten(nearest)}
        for group in predictions.read_groups()
        for id, rank, nearest in zip(
            group["id"], group["rank"], group["nearest"], strict=True
        )
    )
    worst = heapq.nsmallest(
        count,
        (row for row in rows if row["rank"] > 1),
        key=lambda row: (-row["rank"], row["id"]),
    )
    texts = _texts(predictions, documents, {row["id"] for row in worst})
    quoted = [
        row | dict(zip(("query", "own"), texts[row["id"]], strict=True))
        for row in worst
    ]
    return {"retrieved": quoted}


def read_answered(
    predictions: Predictions, documents: Documents, *, count: int
) -> dict[str, list[dict[str, Any]]]:
    """Returns ``missed`` and ``answered``: wrong answers, and the first documents.

    Each has the question, the passage, the right answers, the answer and its score;
    wrong answers have the highest scores.
    """
    wrong = heapq.nsmallest(
        count,
        (row for row in _answers(predictions) if not row["is_right"]),
        key=lambda row: (-row["score"], row["id"]),
    )
    first = list(islice(_answers(predictions), count))
    ids = {row["id"] for row in [*wrong, *first]}
    texts = _texts(predictions, documents, ids)
    return {
        name: [
            row | dict(zip(("passage", "question"), texts[row["id"]], strict=True))
            for row in rows
        ]
        for name, rows in (("missed", wrong), ("answered", first))
    }


def _answers(predictions: Predictions) -> Iterator[dict[str, Any]]:
    for group in predictions.read_groups():
        columns = (group[name] for name in ("id", "answer", "references", "score"))
        for id, answer, references, score in zip(*columns, strict=True):
            right = json.loads(references)
            yield {
                "id": id,
                "answer": shorten(answer),
                "right": [shorten(text) for text in right],
                "score": round(float(score), 2),
                "is_right": any(exact_match(answer, text) for text in right or [""]),
            }


def _texts(
    predictions: Predictions, documents: Documents, ids: set[str]
) -> dict[str, list[str]]:
    """Returns the first two texts of some documents, shortened, by id."""
    return {
        id: [shorten(document[name]) for name in ("text", "text_2")]
        for id, document in read_documents(predictions, documents, ids).items()
    }
