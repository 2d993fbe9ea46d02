"""Texts with their answers: the worst errors of a stage, and the first rows.

The predictions name documents by id; their texts come from the documents, as ingestion
left them: masked personal data stay masked. Texts are shortened, and few.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice
from typing import Any

from textmill.components.artifacts import Documents, Predictions
from textmill.components.reporter.found_texts import read_answered, read_retrieved
from textmill.components.reporter.shortened_texts import read_texts
from textmill.components.reporter.tagged_texts import read_tagged
from textmill.components.reporter.written_texts import read_written
from textmill.models.tasks import TASKS


def read_examples(
    predictions: Predictions, documents: Documents, *, count: int
) -> dict[str, list[dict[str, Any]]]:
    """Returns some ``errors`` and ``samples``: text, label, answer and probability.

    Errors are the answers that the model was most certain of; samples are the first
    documents of the split, whose order is that of a hash. Texts that a task writes are
    next to their references, see ``read_written``; those that it finds are in
    ``found_texts``, spans in ``tagged_texts``. Empty for other tasks.
    """
    task = TASKS[predictions.facts["task"]]
    if task.target == "tags":
        return read_tagged(predictions, documents, count=count)
    if task.retrieves:
        return read_retrieved(predictions, documents, count=count)
    if task.target == "answer":
        return read_answered(predictions, documents, count=count)
    if task.target == "text":
        return read_written(predictions, documents, count=count)
    if task.target != "label":
        return {}
    errors = heapq.nsmallest(
        count,
        (row for row in _rows(predictions) if row["label"] != row["answer"]),
        key=lambda row: (-row["probability"], row["id"]),
    )
    samples = list(islice(_rows(predictions), count))
    texts = read_texts(
        predictions, documents, {row["id"] for row in [*errors, *samples]}
    )
    return {
        name: [{**row, "text": texts[row["id"]]} for row in rows]
        for name, rows in (("errors", errors), ("samples", samples))
    }


def _rows(predictions: Predictions) -> Iterator[dict[str, Any]]:
    labels = predictions.facts["labels"]
    for group in predictions.read_groups():
        probabilities = group["probabilities"]  # [rows, labels]
        answers = probabilities.argmax(axis=1)
        for row, (id, target, answer) in enumerate(
            zip(group["id"], group["target"].tolist(), answers.tolist(), strict=True)
        ):
            yield {
                "id": id,
                "label": labels[target],
                "answer": labels[answer],
                "probability": round(float(probabilities[row, answer]), 4),
            }
