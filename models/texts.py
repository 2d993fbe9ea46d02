"""The texts of a document: one, a pair, or three, each in a field of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TEXT_FIELDS = ("text", "text_2", "text_3")
"""The fields of a document's texts, in their order."""


def texts_of(document: Mapping[str, Any]) -> list[str]:
    """Returns the texts of a document in their order."""
    return [document[field] for field in TEXT_FIELDS if field in document]


def joined_text(document: Mapping[str, Any]) -> str:
    """Returns the texts of a document with a line break between them."""
    return "\n".join(texts_of(document)) if "text_2" in document else document["text"]
