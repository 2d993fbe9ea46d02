"""Prefetching: a thread reads the rows of the next call during the current one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from textmill.models.rows import TOKEN_COLUMNS, RowReader
from textmill.models.training.sampler import Sampler, padded_lengths
from textmill.models.training.strategy import ReplicaContext


class StepBlock(NamedTuple):
    """Steps of one shape, with this worker's rows."""

    rows: dict[str, np.ndarray]
    """``[steps, batch, ...]``, with ``keys``."""
    tokens: int
    """Number of tokens of all workers, without padding."""

    @property
    def num_steps(self) -> int:
        """Number of steps."""
        return len(self.rows["keys"])

    @property
    def width(self) -> int:
        """Tokens per row, padding included."""
        return int(self.rows["ids"].shape[-1])


class Prefetcher:
    """Gathers the rows of steps.

    Args:
        rows: the training rows.
        sampler: selects the rows of every step.
        replicas: selects this worker's rows.
        truncate: truncate batches to a multiple of this length, that of their longest
            row; None leaves rows whole.
    """

    def __init__(
        self,
        rows: RowReader,
        sampler: Sampler,
        *,
        replicas: ReplicaContext,
        truncate: int | None,
    ) -> None:
        self._rows, self._sampler = rows, sampler
        self._replicas, self._truncate = replicas, truncate
        self._lengths, self._widths = rows.lengths(), rows.widths()
        self._thread = ThreadPoolExecutor(1, "prefetch")
        self._pending: tuple[int, int, Future[list[StepBlock]]] | None = None

    @property
    def num_widths(self) -> int:
        """Number of widths that batches may have."""
        if self._truncate is None:
            return 1
        return len(np.unique(padded_lengths(self._widths, self._truncate)))

    def prepare(self, start: int, stop: int) -> None:
        """Starts gathering the steps from ``start`` to ``stop``."""
        if start < stop:
            blocks = self._thread.submit(lambda: list(self._blocks(start, stop)))
            self._pending = (start, stop, blocks)

    def planned(self, start: int) -> int | None:
        """Returns the end of the prepared steps, if they begin at ``start``."""
        pending = self._pending
        return pending[1] if pending and pending[0] == start else None

    def take(self, start: int, stop: int) -> tuple[list[StepBlock], float]:
        """Returns the blocks of these steps, and the seconds of waiting for them."""
        began = time.monotonic()
        if self._pending is None or self._pending[:2] != (start, stop):
            self.prepare(start, stop)
        assert self._pending is not None
        blocks = self._pending[2].result()
        self._pending = None
        return blocks, time.monotonic() - began

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown(cancel_futures=True)

    def _blocks(self, start: int, stop: int) -> Iterator[StepBlock]:
        indices, keys = self._sampler.rows(start, stop)
        lengths, widths = self._lengths[indices], self._widths[indices]
        row_slice = self._replicas.worker_slice(indices.shape[1])
        indices, keys = indices[:, row_slice], keys[:, row_slice]
        taken = self._rows.take(indices.reshape(-1))
        rows = {
            name: value.reshape(indices.shape + value.shape[1:])
            for name, value in taken.items()
        } | {"keys": keys}
        if self._truncate is None:
            yield StepBlock(rows, int(lengths.sum()))
            return
        longest = padded_lengths(widths.max(axis=1), self._truncate)
        changes = np.flatnonzero(np.diff(longest)) + 1
        for steps in np.split(np.arange(len(indices)), changes):
            width = longest[steps[0]]
            truncated = {name: value[steps] for name, value in rows.items()}
            for name in truncated.keys() & TOKEN_COLUMNS:
                truncated[name] = truncated[name][..., :width]
            yield StepBlock(truncated, int(lengths[steps].sum()))
