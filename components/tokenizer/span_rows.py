"""Spans of characters become numbers of tokens: tags of each, or an answer's place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from textmill.components.tokenizer.packing import Batch, Windows
from textmill.models.errors import DataError
from textmill.models.targets import Tags

_IS_CONTINUATION = 0xC0, 0x80
"""Mask and value of the bytes of UTF-8 that begin no character."""


class TokenSpans(NamedTuple):
    """Places of tokens in their texts, in bytes of UTF-8."""

    starts: np.ndarray
    """int32 ``[tokens]``."""
    ends: np.ndarray
    """int32 ``[tokens]``."""
    splits: np.ndarray
    """Where the tokens of each text begin, int64 ``[texts + 1]``."""

    def characters(self, number: int, text: str) -> tuple[np.ndarray, np.ndarray]:
        """Returns first and last character plus one of the tokens of a text."""
        tokens = slice(self.splits[number], self.splits[number + 1])
        starts, ends = self.starts[tokens], self.ends[tokens]
        if text.isascii():
            return starts, ends
        mask, value = _IS_CONTINUATION
        begins = (np.frombuffer(text.encode(), np.uint8) & mask) != value
        before = np.concatenate([[0], np.cumsum(begins)])  # [bytes + 1]
        # A token of some bytes of a character has the whole character.
        inside = before[np.minimum(starts + 1, len(begins))] - 1
        return np.where(ends > starts, inside, before[starts]), before[ends]


def check_labels(labels: Sequence[str]) -> None:
    """Refuses more labels than a row's tags can number.

    Raises:
        DataError: there are more.
    """
    if len(labels) > Tags.MAX_LABELS:
        raise DataError(
            f"tags: expected at most {Tags.MAX_LABELS} labels of spans, got "
            f"{len(labels)}; join the rare ones by labels.map"
        )


def tag_rows(
    batch: Batch,
    tokens: TokenSpans,
    windows: Windows,
    *,
    labels: Sequence[str],
    width: int,
) -> np.ndarray:
    """Returns the class of every token of rows, uint8 ``[rows, width]``.

    A token belongs to a span that it overlaps; of two spans, to the first one.

    Args:
        batch: documents with ``tags``.
        tokens: those of the documents' texts, the same number of each.
        windows: the rows.
        labels: names in the order of their numbers.
        width: tokens of a row.
    """
    per_text = (len(tokens.splits) - 1) // max(len(batch), 1)
    classes = [
        _tags(document, *tokens.characters(i * per_text, document["text"]), labels)
        for i, document in enumerate(batch)
    ]
    rows = np.full((len(windows.document), width), Tags.IGNORED, np.uint8)
    for row, (document, begin, count, column) in zip(
        rows, zip(*windows, strict=True), strict=True
    ):
        row[column : column + count] = classes[document][begin : begin + count]
    return rows


def _tags(
    document: dict[str, Any],
    starts: np.ndarray,
    ends: np.ndarray,
    labels: Sequence[str],
) -> np.ndarray:
    """Returns the classes of a document's tokens, uint8 ``[tokens]``."""
    classes = np.zeros(len(starts), np.uint8)
    for span in document["tags"]:
        inside = _overlapping(starts, ends, span) & (classes == 0)
        numbers = np.flatnonzero(inside)
        first = 1 + 2 * labels.index(span["label"])
        classes[numbers] = first + 1
        classes[numbers[:1]] = first
    return classes


def answer_rows(batch: Batch, tokens: TokenSpans, windows: Windows) -> np.ndarray:
    """Returns first and last token of the first answer in rows, int32 ``[rows, 2]``.

    Both are 0 in a row that does not hold the answer whole.

    Args:
        batch: documents with ``answers``.
        tokens: those of the documents' texts, the same number of each.
        windows: the rows.
    """
    per_text = (len(tokens.splits) - 1) // max(len(batch), 1)
    places = np.full((len(batch), 2), -1)
    for i, document in enumerate(batch):
        if document["answers"]:
            bounds = tokens.characters(i * per_text, document["text"])
            inside = np.flatnonzero(_overlapping(*bounds, document["answers"][0]))
            if len(inside):
                places[i] = inside[0], inside[-1]
    first, last = places[windows.document].T
    end = windows.begin + windows.count
    is_whole = (first >= windows.begin) & (last < end) & (first >= 0)
    shift = windows.column - windows.begin
    spans = np.stack([first + shift, last + shift], axis=1)
    return np.where(is_whole[:, None], spans, 0).astype(np.int32)


def _overlapping(
    starts: np.ndarray, ends: np.ndarray, span: dict[str, Any]
) -> np.ndarray:
    return (starts < span["end"]) & (ends > span["start"]) & (ends > starts)
