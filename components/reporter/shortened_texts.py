"""Short texts of documents by id, as ingestion left them: masked data stay masked."""

from __future__ import annotations

from itertools import islice
from typing import Any

from textmill.components.artifacts import Documents, Predictions
from textmill.models.texts import texts_of

MAX_CHARACTERS = 400


def read_documents(
    predictions: Predictions, documents: Documents, ids: set[str]
) -> dict[str, dict[str, Any]]:
    """Returns some predicted documents, by id."""
    splits = documents.splits_of(predictions.facts["split"])
    wanted = (d for d in documents.read(*splits) if d["id"] in ids)
    return {document["id"]: document for document in islice(wanted, len(ids))}


def read_texts(
    predictions: Predictions, documents: Documents, ids: set[str]
) -> dict[str, str]:
    """Returns the shortened texts of some predicted documents, by id."""
    return {
        id: shorten("\n".join(texts_of(document)))
        for id, document in read_documents(predictions, documents, ids).items()
    }


def shorten(text: str, limit: int = MAX_CHARACTERS) -> str:
    """Returns a text of one line with at most ``limit`` characters."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"
