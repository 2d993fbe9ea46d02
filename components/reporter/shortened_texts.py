"""Short texts of documents by id, as ingestion left them: masked data stay masked."""

from __future__ import annotations

from textmill.components.artifacts import Documents, Predictions
from textmill.models.texts import texts_of

MAX_CHARACTERS = 400


def read_texts(
    predictions: Predictions, documents: Documents, ids: set[str]
) -> dict[str, str]:
    """Returns the shortened texts of some predicted documents, by id."""
    texts: dict[str, str] = {}
    splits = documents.splits_of(predictions.facts["split"])
    for document in documents.read(*splits):
        if document["id"] in ids:
            texts[document["id"]] = shorten("\n".join(texts_of(document)))
            if len(texts) == len(ids):
                break
    return texts


def shorten(text: str, limit: int = MAX_CHARACTERS) -> str:
    """Returns a text of one line with at most ``limit`` characters."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"
