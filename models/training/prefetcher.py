"""Prefetching: a thread reads the rows of the next call while this one runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from textmill.models.rows import RowReader
from textmill.models.training.sampler import Sampler
from textmill.models.training.strategy import ReplicaContext

_BUCKET = 32


class StepBlock(NamedTuple):
    """Steps of one shape: this worker's rows of them."""

    rows: dict[str, np.ndarray]
    """``[steps, batch, ...]``, with ``keys``."""
    tokens: int
    """Tokens of all workers in them, without padding."""

    @property
    def num_steps(self) -> int:
        """Steps in the block."""
        return len(self.rows["keys"])

    @property
    def width(self) -> int:
        """Tokens a row, padding included."""
        return int(self.rows["ids"].shape[2])


class Prefetcher:
    """Gathers the rows of steps.

    Args:
        rows: the training rows.
        order: which rows make up a step.
        shares: which of them are this worker's.
        cut: whether batches are cut to their longest row, to a multiple of 32 tokens.
    """

    def __init__(
        self, rows: RowReader, order: Sampler, *, shares: ReplicaContext, cut: bool
    ) -> None:
        self._rows, self._order, self._shares, self._cut = rows, order, shares, cut
        self._lengths = rows.lengths()
        self._thread = ThreadPoolExecutor(1, "feed")
        self._coming: tuple[int, int, Future[list[StepBlock]]] | None = None

    def prepare(self, start: int, stop: int) -> None:
        """Begins to gather the steps from ``start`` to ``stop``."""
        if start < stop:
            found = self._thread.submit(lambda: list(self._blocks(start, stop)))
            self._coming = (start, stop, found)

    def planned(self, start: int) -> int | None:
        """Returns where the gathered steps end, if they begin at ``start``."""
        coming = self._coming
        return coming[1] if coming and coming[0] == start else None

    def take(self, start: int, stop: int) -> tuple[list[StepBlock], float]:
        """Returns those steps, and the seconds that were spent waiting for them."""
        began = time.monotonic()
        if self._coming is None or self._coming[:2] != (start, stop):
            self.prepare(start, stop)
        assert self._coming is not None
        blocks = self._coming[2].result()
        self._coming = None
        return blocks, time.monotonic() - began

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown(cancel_futures=True)

    def _blocks(self, start: int, stop: int) -> Iterator[StepBlock]:
        indices, keys = self._order.rows(start, stop)
        lengths = self._lengths[indices]
        mine = self._shares.worker_slice(indices.shape[1])
        indices, keys = indices[:, mine], keys[:, mine]
        taken = self._rows.take(indices.reshape(-1))
        rows = {
            name: value.reshape(indices.shape + value.shape[1:])
            for name, value in taken.items()
        } | {"keys": keys}
        if not self._cut:
            yield StepBlock(rows, int(lengths.sum()))
            return
        longest = -(-lengths.max(axis=1) // _BUCKET) * _BUCKET
        changes = np.flatnonzero(np.diff(longest)) + 1
        for steps in np.split(np.arange(len(indices)), changes):
            width = longest[steps[0]]
            cut = {
                name: value[steps][:, :, :width] if value.ndim == 3 else value[steps]
                for name, value in rows.items()
            }
            yield StepBlock(cut, int(lengths[steps].sum()))
