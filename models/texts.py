"""The texts of a document: one, a pair, or three, each in a field of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textmill.models.errors import ConfigError

TEXT_FIELDS = ("text", "text_2", "text_3")
"""The fields of a document's texts, in their order."""


def texts_of(document: Mapping[str, Any]) -> list[str]:
    """Returns the texts of a document in their order."""
    return [document[field] for field in TEXT_FIELDS if field in document]


def joined_text(document: Mapping[str, Any]) -> str:
    """Returns the texts of a document with a line break between them."""
    return "\n".join(texts_of(document)) if "text_2" in document else document["text"]


def text_columns(
    texts: Sequence[str | bytes | Sequence[str | bytes]], num_texts: int
) -> list[list[str | bytes]]:
    """Returns the texts to answer as a list for each text of a document.

    Args:
        texts: single texts, or the texts of a document as a tuple or list.
        num_texts: number of texts that the model takes.

    Raises:
        ConfigError: a document has another number of texts.
    """
    rows = [[item] if isinstance(item, (str, bytes)) else list(item) for item in texts]
    for number, row in enumerate(rows, 1):
        if len(row) != num_texts:
            names = ", ".join(TEXT_FIELDS[:num_texts])
            raise ConfigError(
                f"predict: expected {num_texts} text{'s' if num_texts > 1 else ''} "
                f"({names}) for each answer, got {len(row)} in number {number}"
            )
    return [[row[i] for row in rows] for i in range(num_texts)]


def pair_sizes(first: int, second: int, room: int) -> tuple[int, int]:
    """Returns the sizes of two texts in a room of tokens, taken from the longer one."""
    second = min(second, max(room // 2, room - first))
    return min(first, room - second), second
