"""Data order: the rows of every step, as a pure function of (seed, epoch, step).

Epochs are seeded permutations of all rows, concatenated, so every batch is full and the
position in the data is one number. With ``length_buckets``, batches have rows of one
padded length: each window of steps is sorted by it and divided into batches, which are
shuffled. A window is inside an epoch, so every row is in every epoch once. The batch
size may double from stretch to stretch of steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from textmill.models.hashing import splitmix64
from textmill.models.training.config import BatchConfig

_WINDOW_STEPS = 32


class _Stretch(NamedTuple):
    """Steps with one batch size."""

    step: int
    row: int
    batch: int


def row_keys(seed: int, epoch: int, rows: np.ndarray) -> np.ndarray:
    """Returns the int32 key of each row in an epoch, for masks."""
    salt = splitmix64(
        np.array([seed], np.uint64) ^ splitmix64(np.array([epoch + 1], np.uint64))
    )
    keys = splitmix64(rows.astype(np.uint64) ^ salt)
    return (keys >> np.uint64(32)).astype(np.uint32).view(np.int32)


def padded_lengths(lengths: np.ndarray, width: int) -> np.ndarray:
    """Rounds lengths up to multiples of a width, ``bucket_width``."""
    rounded: np.ndarray = -(-lengths // width) * width
    return rounded


class Sampler:
    """The rows of every step.

    Args:
        num_rows: rows per epoch.
        config: rows per step, and ``length_buckets``.
        seed: seed of the permutations and keys.
        lengths: length of every row ``[num_rows]``, for ``length_buckets``.
        key_epochs: period of a row's keys in epochs, if they repeat.
    """

    def __init__(
        self,
        num_rows: int,
        config: BatchConfig,
        *,
        seed: int,
        lengths: np.ndarray | None = None,
        key_epochs: int | None = None,
    ) -> None:
        self._num_rows, self._seed = num_rows, seed
        self._lengths = None
        if config.length_buckets and lengths is not None:
            self._lengths = padded_lengths(lengths, config.bucket_width)
        self._key_epochs = key_epochs
        self._epoch, self._permutation = -1, np.arange(0)
        batch = config.initial_batch or config.global_batch
        self._stretches = [_Stretch(0, 0, batch)]
        doublings = (config.global_batch // batch).bit_length() - 1
        for number in range(1, doublings + 1):
            last, step = self._stretches[-1], config.batch_ramp * number // doublings
            row = last.row + (step - last.step) * last.batch
            self._stretches.append(_Stretch(step, row, 2 * last.batch))

    def steps(self, epochs: float) -> int:
        """Returns the number of steps of some epochs, rounded up."""
        rows, last = round(self._num_rows * epochs), self._stretches[-1]
        for stretch, after in zip(self._stretches, self._stretches[1:], strict=False):
            if rows <= after.row:
                last = stretch
                break
        return max(1, last.step - (last.row - rows) // last.batch)

    def batch(self, step: int) -> int:
        """Returns the number of rows of a step."""
        return self._stretch(step).batch

    @property
    def num_sizes(self) -> int:
        """Number of batch sizes of the run."""
        return len(self._stretches)

    def next_size(self, step: int) -> int | None:
        """Returns the next step whose batch has another size, if any."""
        return next((s.step for s in self._stretches if s.step > step), None)

    def rows(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns row indices int64 and keys int32 ``[stop - start, batch]``.

        All these steps must have one batch size.
        """
        stretch = self._stretch(start)
        if self._lengths is None:
            return self._stream(stretch, start, stop)
        parts, step = [], start
        while step < stop:
            first, end = self._window(stretch, step)
            window = self._bucketed(stretch, first, end)
            end = min(end, stop)
            parts.append([x[step - first : end - first] for x in window])
            step = end
        rows, keys = (np.concatenate(part) for part in zip(*parts, strict=True))
        return rows, keys

    def _stretch(self, step: int) -> _Stretch:
        return next(s for s in reversed(self._stretches) if s.step <= step)

    def _window(self, stretch: _Stretch, step: int) -> tuple[int, int]:
        """Returns the first step of a step's window, and the step after its last one.

        The full steps of an epoch are divided evenly. A step with rows of two epochs
        is a window of its own.
        """
        row = stretch.row + (step - stretch.step) * stretch.batch
        epoch_start = row - row % self._num_rows
        rows_left = epoch_start + self._num_rows - row
        if rows_left < stretch.batch:
            return step, step + 1
        rows_done = row - max(epoch_start, stretch.row)
        first = step - rows_done // stretch.batch
        end = step + rows_left // stretch.batch
        end = min(end, self.next_size(step) or end)
        number = -(-(end - first) // _WINDOW_STEPS)
        index = ((step - first + 1) * number - 1) // (end - first)
        bounds = (first + (end - first) * i // number for i in (index, index + 1))
        return next(bounds), next(bounds)

    def _bucketed(
        self, stretch: _Stretch, start: int, stop: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns a window's rows and keys, in batches of one padded length."""
        assert self._lengths is not None
        rows, keys = self._stream(stretch, start, stop)
        if stop - start == 1:
            return rows, keys  # In order, because it may have rows of two epochs.
        by_length = np.argsort(self._lengths[rows.reshape(-1)], kind="stable")
        key = [self._seed, start, 1]
        order = np.random.Generator(np.random.PCG64(key)).permutation(stop - start)
        rows, keys = (
            x.reshape(-1)[by_length].reshape(x.shape)[order] for x in (rows, keys)
        )
        return rows, keys

    def _stream(
        self, stretch: _Stretch, start: int, stop: int
    ) -> tuple[np.ndarray, np.ndarray]:
        first = stretch.row + (start - stretch.step) * stretch.batch
        last = first + (stop - start) * stretch.batch
        indices, keys = [], []
        while first < last:
            epoch, offset = divmod(first, self._num_rows)
            take = min(last - first, self._num_rows - offset)
            part = self._order(epoch)[offset : offset + take]
            indices.append(part)
            key_epoch = epoch % self._key_epochs if self._key_epochs else epoch
            keys.append(row_keys(self._seed, key_epoch, part))
            first += take
        shape = (stop - start, stretch.batch)
        return (
            np.concatenate(indices).reshape(shape),
            np.concatenate(keys).reshape(shape),
        )

    def _order(self, epoch: int) -> np.ndarray:
        if epoch != self._epoch:
            generator = np.random.Generator(np.random.PCG64([self._seed, epoch]))
            self._permutation = generator.permutation(self._num_rows)
            self._epoch = epoch
        return self._permutation
