"""Packing: ragged token ids become fixed-length rows; every token is counted.

Inside packers, the two bits above a token's id carry its flags.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from textmill.components.tokenizer import RowLayout
from textmill.models.rows import RowSchema
from textmill.models.tokenizers import SpecialTokens

WORD, PART = 1 << 30, 1 << 29
"""Flags: a token begins a word; a token begins a part of its row."""
ID = PART - 1
"""The bits of an id, below the flags."""

COUNTS = (
    *("in", "out", "dropped", "documents", "truncated", "rows", "used", "parts"),
    *("answer_tokens", "answer_bytes"),
)
"""Tokens read, written and dropped; documents, and those truncated or in several rows;
rows, all tokens inside them, and their parts; tokens and bytes of responses."""

Batch = Sequence[dict[str, Any]]


class Windows(NamedTuple):
    """The parts of documents' first texts in rows; each field is int64 ``[rows]``."""

    document: np.ndarray
    """The document's number in its batch."""
    begin: np.ndarray
    """The first token of the text in the row."""
    count: np.ndarray
    """Tokens of the text in the row."""
    column: np.ndarray
    """The place of the first one in the row."""


class Packer:
    """Base class of packers: framing, counting, and the records of rows.

    Attributes:
        counts: those of COUNTS.
        windows: of packers with rows of one document, where its text is in the rows
            of the last ``add``.
    """

    windows: Windows | None = None

    def __init__(
        self,
        config: RowLayout,
        *,
        schema: RowSchema,
        specials: SpecialTokens,
        target_specials: SpecialTokens | None = None,
    ) -> None:
        self._config, self._schema = config, schema
        self._targets = target_specials or specials
        self._pad = specials.pad
        self._start, self._end = specials.start | WORD, specials.end | WORD
        self.counts = dict.fromkeys(COUNTS, 0)

    def texts(self, batch: Batch) -> list[str]:
        """Returns the texts to tokenize for ``add``."""
        return [document["text"] for document in batch]

    def add(self, flat: np.ndarray, splits: np.ndarray, batch: Batch) -> np.ndarray:
        """Adds tokens ``flat[splits[i]:splits[i + 1]]`` of text i; returns full rows.

        Args:
            flat: int32 ids, with the flag ``WORD``.
            splits: int64.
            batch: the documents.
        """
        raise NotImplementedError

    def flush(self) -> np.ndarray:
        """Returns the rows of the pending tokens."""
        return self._finish(self._buffer(0), np.zeros(0, np.int64))

    def _buffer(self, num_rows: int) -> np.ndarray:
        shape = (num_rows, self._schema.row_length)
        return np.full(shape, self._pad, np.int32)

    def _finish(self, buffer: np.ndarray, length: np.ndarray) -> np.ndarray:
        rows = np.zeros(len(buffer), self._schema.dtype)
        rows["ids"], rows["length"] = buffer & ID, length
        if self._schema.parts != "none":
            starts = (buffer & PART) != 0
            rows["part_starts"] = np.packbits(starts, axis=1)
            self.counts["parts"] += int(np.count_nonzero(starts))
        if self._schema.words:
            rows["word_starts"] = np.packbits((buffer & WORD) != 0, axis=1)
        self.counts["rows"] += len(rows)
        self.counts["used"] += int(np.sum(length))
        return rows

    def _count(self, **values: int) -> None:
        for name, value in values.items():
            self.counts[name.rstrip("_")] += int(value)

    def _close(
        self, flat: np.ndarray, splits: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Inserts the end token after every document.

        For a next-token model, it is the first token of the next document.
        """
        end = self._end | PART if self._config.next_token else self._end
        return np.insert(flat, splits[1:], end), splits + np.arange(len(splits))

    def _open_rows(self, buffer: np.ndarray, length: np.ndarray) -> None:
        """Marks the first token as a part's start, and unmarks the last."""
        last = np.maximum(length - 1, 0)
        if self._config.next_token:
            buffer[np.arange(len(buffer)), last] &= ~PART
        buffer[:, 0] |= PART


def place(
    buffer: np.ndarray,
    tokens: np.ndarray,
    *,
    target: tuple[np.ndarray, np.ndarray],
    source: np.ndarray,
    count: np.ndarray,
) -> None:
    """Copies ``tokens[source[i]:][:count[i]]`` to ``buffer[row[i], column[i]:]``.

    Args:
        target: row and column of every run.
    """
    row, column = target
    ends = np.cumsum(count)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - count, count)
    flat_target = np.repeat(row * buffer.shape[1] + column, count) + within
    buffer.reshape(-1)[flat_target] = tokens[np.repeat(source, count) + within]


class Pad(Packer):
    """One document per row, truncated at its end."""

    def add(self, flat: np.ndarray, splits: np.ndarray, batch: Batch) -> np.ndarray:
        """Packs every document into a row."""
        config = self._config
        start, end = int(config.start), int(config.end)
        if config.next_token:
            flat, splits = self._close(flat, splits)
            start, end = 1, 0
        sizes = np.diff(splits)
        length = np.minimum(sizes, config.sequence_length - start - end)
        num = np.arange(len(sizes))
        buffer = self._buffer(len(sizes))
        target = (num, np.full(len(num), start))
        place(buffer, flat, target=target, source=splits[:-1], count=length)
        if start:
            buffer[:, 0] = self._end if config.next_token else self._start
        if end:
            buffer[num, length + start] = self._end
        given, out = sizes.sum(), length.sum()
        self._count(in_=given, out=out, dropped=given - out)
        self._count(documents=len(sizes), truncated=(length < sizes).sum())
        self.windows = Windows(num, np.zeros_like(num), length, target[1])
        return self._finish(buffer, length + start + end)


class Concat(Packer):
    """Documents in one stream, each followed by the end token; drops nothing.

    A row takes ``sequence_length`` tokens, including its start token if configured;
    rows overlap by ``overlap`` tokens. End tokens count as tokens of their documents.
    """

    def __init__(self, config: RowLayout, **parts: Any) -> None:
        super().__init__(config, **parts)
        self._body = config.sequence_length - config.start
        self._stride = self._body - config.overlap
        assert self._stride > 0, "the overlap leaves no room"
        self._stream = np.zeros(0, np.int32)
        self._repeated = self._given = 0

    def add(self, flat: np.ndarray, splits: np.ndarray, batch: Batch) -> np.ndarray:
        """Appends documents to the stream; returns the full rows."""
        if not self._config.next_token:
            flat = flat.copy()
            flat[splits[:-1][np.diff(splits) > 0]] |= PART
        if self._config.end:
            flat, splits = self._close(flat, splits)
        self._count_documents(splits)
        self._stream = np.concatenate([self._stream, flat])
        full = max(0, (len(self._stream) - self._config.overlap) // self._stride)
        if not full:
            return super().flush()
        windows = np.lib.stride_tricks.sliding_window_view(self._stream, self._body)
        rows = self._rows(windows[:: self._stride][:full])
        self._stream = self._stream[full * self._stride :]
        return rows

    def flush(self) -> np.ndarray:
        """Returns the last, shorter row, if any token is pending."""
        if len(self._stream) == self._repeated:
            return super().flush()
        return self._rows(self._stream[None, :])

    def _count_documents(self, splits: np.ndarray) -> None:
        first, stop = splits[:-1] + self._given, splits[1:] + self._given
        row_stop = first // self._stride * self._stride + self._body
        self._count(documents=len(first), truncated=(stop > row_stop).sum())
        self._count(in_=splits[-1])
        self._given += int(splits[-1])

    def _rows(self, tokens: np.ndarray) -> np.ndarray:
        start, overlap = int(self._config.start), self._config.overlap
        num, size = tokens.shape
        buffer = self._buffer(num)
        buffer[:, start : start + size] = tokens
        length = np.full(num, start + size)
        if start:
            buffer[:, 0] = self._start
            buffer[:, 1] &= ~PART
        self._open_rows(buffer, length)
        self._count(out=num * size - self._repeated - overlap * (num - 1))
        self._repeated = overlap
        return self._finish(buffer, length)
