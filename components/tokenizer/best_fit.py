"""Best-fit decreasing: packs whole documents into rows (Johnson, 1974).

Open rows are listed by their remaining room, and a bit set marks the rooms in use: the
tightest fit is its lowest bit that is high enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from textmill.components.tokenizer import RowLayout
from textmill.components.tokenizer.packing import PART, Batch, Packer, place

_WINDOW_TOKENS, _WINDOW_ROWS = 1 << 20, 2048


class _Pieces(NamedTuple):
    """Runs of tokens, each at most a row long."""

    source: np.ndarray
    """Offsets in the window's tokens."""
    count: np.ndarray
    """Numbers of tokens."""
    continues: np.ndarray
    """True for pieces that begin inside a document."""


def best_fit(
    sizes: Iterable[int], capacity: int, *, alone: int = 0
) -> tuple[list[int], list[int]]:
    """Puts every item into the bin that it fills best, or into a new one.

    Args:
        sizes: item sizes from 1 to ``capacity``, preferably decreasing.
        capacity: size of a bin.
        alone: number of leading items that open a new bin each.

    Returns:
        For every item, its bin and its offset in the bin.
    """
    rooms: list[list[int]] = [[] for _ in range(capacity + 1)]
    free = num_bins = 0
    bins, before = [], []
    for i, size in enumerate(sizes):
        fitting = free >> size if i >= alone else 0
        if fitting:
            room = size + (fitting & -fitting).bit_length() - 1
            chosen = rooms[room].pop()
            if not rooms[room]:
                free ^= 1 << room
        else:
            room, chosen = capacity, num_bins
            num_bins += 1
        bins.append(chosen)
        before.append(capacity - room)
        rooms[room - size].append(chosen)
        free |= 1 << (room - size)
    return bins, before


class BestFit(Packer):
    """Packs whole documents by best fit, within a window of a shard; drops nothing.

    A document longer than a row fills rows from its beginning, and its rest is fitted
    like a document. A next-token model's rows begin with the end token
    or, inside a document, with the token before, so that every token has its target.
    """

    def __init__(self, config: RowLayout, **parts: Any) -> None:
        super().__init__(config, **parts)
        self._frame = 0 if config.next_token else config.start + config.end
        self._capacity = config.sequence_length - config.next_token
        assert self._capacity > self._frame, "special tokens leave no room"
        self._most = max(_WINDOW_TOKENS, _WINDOW_ROWS * config.sequence_length)
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self._held = 0

    def add(self, flat: np.ndarray, splits: np.ndarray, batch: Batch) -> np.ndarray:
        """Adds documents; returns the rows of a full window, else none."""
        self._count(documents=len(splits) - 1)
        nonempty = np.concatenate([splits[:1], splits[1:][np.diff(splits) > 0]])
        self._waiting.append((flat, nonempty))
        self._held += len(flat)
        return self.flush() if self._held >= self._most else super().flush()

    def flush(self) -> np.ndarray:
        """Returns the rows of the window."""
        waiting, self._waiting, self._held = self._waiting, [], 0
        flat = np.concatenate([f for f, _ in waiting]) if waiting else np.zeros(0)
        if not len(flat):
            return super().flush()
        sizes = np.concatenate([np.diff(s) for _, s in waiting])
        splits = np.concatenate([[0], np.cumsum(sizes)])
        if self._config.next_token:
            flat, splits = self._close(flat, splits)
        return self._pack(flat, splits)

    def _pack(self, flat: np.ndarray, splits: np.ndarray) -> np.ndarray:
        full, rest = self._split(splits)
        order = np.argsort(-rest.count, kind="stable")
        alone = 0
        if self._config.next_token:
            order = order[np.argsort(~rest.continues[order], kind="stable")]
            alone = int(rest.continues.sum())
        rest = _Pieces(*(values[order] for values in rest))
        costs = rest.count + self._frame
        bins, before = best_fit(costs.tolist(), self._capacity, alone=alone)
        num_bins = max(bins, default=-1) + 1
        row = np.concatenate([bins, num_bins + np.arange(len(full.count))])
        column = np.concatenate([before, np.zeros(len(full.count))])
        pieces = _Pieces(
            *(np.concatenate(both) for both in zip(rest, full, strict=True))
        )
        buffer = self._buffer(num_bins + len(full.count))
        target = (row.astype(np.int64), column.astype(np.int64))
        length = self._fill(buffer, flat, pieces, target)
        self._count(in_=len(flat), out=pieces.count.sum())
        return self._finish(buffer, length)

    def _split(self, splits: np.ndarray) -> tuple[_Pieces, _Pieces]:
        """Returns the pieces that fill a row, and the last piece of each document."""
        room, sizes = self._capacity - self._frame, np.diff(splits)
        num_full = (sizes - 1) // room
        number = np.arange(num_full.sum())
        number -= np.repeat(np.cumsum(num_full) - num_full, num_full)
        source = np.repeat(splits[:-1], num_full) + number * room
        full = _Pieces(source, np.full(len(source), room), number > 0)
        skipped = num_full * room
        rest = _Pieces(splits[:-1] + skipped, sizes - skipped, num_full > 0)
        self._count(truncated=(num_full > 0).sum())
        return full, rest

    def _fill(
        self,
        buffer: np.ndarray,
        flat: np.ndarray,
        pieces: _Pieces,
        target: tuple[np.ndarray, np.ndarray],
    ) -> np.ndarray:
        (row, column), config = target, self._config
        if config.next_token:
            place(
                buffer,
                flat,
                target=(row, column + 1),
                source=pieces.source,
                count=pieces.count,
            )
            first = column == 0
            source = np.maximum(pieces.source[first] - 1, 0)
            lead = np.where(pieces.continues[first], flat[source], self._end)
            buffer[row[first], 0] = lead
        else:
            start = int(config.start)
            place(
                buffer,
                flat,
                target=(row, column + start),
                source=pieces.source,
                count=pieces.count,
            )
            if config.start:
                buffer[row, column] = self._start
            if config.end:
                buffer[row, column + start + pieces.count] = self._end
            buffer[row, column] |= PART
        used = np.bincount(row, pieces.count + self._frame, minlength=len(buffer))
        length = used.astype(np.int64) + config.next_token
        self._open_rows(buffer, length)
        return length
