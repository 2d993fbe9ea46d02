"""Packing: ragged token ids become fixed-length rows, and no token goes uncounted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from components.tokenizer import TokenizerConfig
from models.rows import RowSchema
from models.tokenization import Specials


class _Packer:
    """Counts tokens: in (of documents), out (of them, in rows), dropped (cut off)."""

    def __init__(
        self, config: TokenizerConfig, *, schema: RowSchema, specials: Specials
    ) -> None:
        self._config, self._schema, self._specials = config, schema, specials
        self.counts = {"in": 0, "out": 0, "dropped": 0}

    def _blank(self, num_rows: int) -> np.ndarray:
        rows = np.zeros(num_rows, self._schema.dtype)
        rows["ids"] = self._specials.pad
        return rows

    def _count(self, *, given: int, kept: int, dropped: int = 0) -> None:
        for name, value in (("in", given), ("out", kept), ("dropped", dropped)):
            self.counts[name] += value


class Pad(_Packer):
    """One document a row, cut at its end."""

    def add(self, flat: np.ndarray, splits: np.ndarray) -> np.ndarray:
        """Packs documents ``flat[splits[i]:splits[i + 1]]`` to one row each."""
        config, specials = self._config, self._specials
        sizes = np.diff(splits)
        room = config.sequence_length - config.start - config.end
        kept = np.minimum(sizes, room)
        rows = self._blank(len(sizes))
        row = np.repeat(np.arange(len(sizes)), kept)
        column = np.arange(len(row)) - np.repeat(np.cumsum(kept) - kept, kept)
        rows["ids"][row, column + config.start] = flat[splits[:-1][row] + column]
        if config.start:
            rows["ids"][:, 0] = specials.start
        if config.end:
            rows["ids"][np.arange(len(sizes)), kept + config.start] = specials.end
        rows["length"] = kept + config.start + config.end
        given, out = int(sizes.sum()), int(kept.sum())
        self._count(given=given, kept=out, dropped=given - out)
        return rows

    def flush(self) -> np.ndarray:
        """Returns no rows: none wait."""
        return self._blank(0)


class Concat(_Packer):
    """Documents in one stream, each followed by the end token; nothing is dropped.

    A row takes ``sequence_length`` tokens, the start token first where it is wanted;
    rows overlap by ``overlap`` tokens. End tokens count as tokens of their documents.
    """

    def __init__(self, config: TokenizerConfig, **parts: Any) -> None:
        super().__init__(config, **parts)
        self._body = config.sequence_length - config.start
        self._stride = self._body - config.overlap
        assert self._stride > 0, "the overlap leaves no room"
        self._stream = np.zeros(0, np.int64)
        self._repeated = 0

    def add(self, flat: np.ndarray, splits: np.ndarray) -> np.ndarray:
        """Appends documents to the stream and returns the rows that are full."""
        if self._config.end:
            flat = np.insert(flat, splits[1:], self._specials.end)
        self._stream = np.concatenate([self._stream, flat.astype(np.int64)])
        self._count(given=len(flat), kept=0)
        full = max(0, (len(self._stream) - self._config.overlap) // self._stride)
        if not full:
            return self._blank(0)
        windows = np.lib.stride_tricks.sliding_window_view(self._stream, self._body)
        rows = self._rows(windows[:: self._stride][:full])
        self._stream = self._stream[full * self._stride :]
        return rows

    def flush(self) -> np.ndarray:
        """Returns the last, shorter row, if the stream holds a token not yet in one."""
        if len(self._stream) == self._repeated:
            return self._blank(0)
        return self._rows(self._stream[None, :])

    def _rows(self, tokens: np.ndarray) -> np.ndarray:
        start, overlap = int(self._config.start), self._config.overlap
        num, size = tokens.shape
        rows = self._blank(num)
        rows["ids"][:, start : start + size] = tokens
        if start:
            rows["ids"][:, 0] = self._specials.start
        rows["length"] = start + size
        inside = int(rows["length"].sum()) - start * num
        self._count(given=0, kept=inside - self._repeated - overlap * (num - 1))
        self._repeated = overlap
        return rows


PACKERS = {"pad": Pad, "concat": Concat}


def batches(
    documents: Iterator[dict[str, Any]], num_chars: int
) -> Iterator[list[dict[str, Any]]]:
    """Groups documents to about so many characters."""
    batch: list[dict[str, Any]] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document["text"])
        if size >= num_chars:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
