"""Data order: which rows make up step s, as a pure function of (seed, epoch, step).

Epochs follow each other without a break, each a seeded permutation of all rows, so that
every batch is full and the state of the data is one number. Where lengths are given,
rows of like length share a batch: each window of steps is sorted, cut into batches, and
the batches are shuffled.
"""

from __future__ import annotations

import numpy as np

_WINDOW_STEPS = 32


def mix(values: np.ndarray) -> np.ndarray:
    """Hashes uint64 to uint64 by SplitMix64's finalizer (Steele et al., 2014)."""
    x = values.astype(np.uint64)
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def row_keys(seed: int, epoch: int, rows: np.ndarray) -> np.ndarray:
    """Returns the int32 key of each row in an epoch, for masks."""
    salt = mix(np.array([seed], np.uint64) ^ mix(np.array([epoch + 1], np.uint64)))
    keys = mix(rows.astype(np.uint64) ^ salt)
    return (keys >> np.uint64(32)).astype(np.uint32).view(np.int32)


class DataOrder:
    """The rows of every step.

    Args:
        num_rows: rows an epoch.
        batch: rows a step.
        seed: of the permutations and keys.
        lengths: of every row ``[num_rows]``, to batch rows of like length; or None.
        dupe_factor: epochs after which the keys of a row come again; None never.
    """

    def __init__(
        self,
        num_rows: int,
        *,
        batch: int,
        seed: int,
        lengths: np.ndarray | None = None,
        dupe_factor: int | None = None,
    ) -> None:
        self._num_rows, self._batch, self._seed = num_rows, batch, seed
        self._lengths, self._dupe_factor = lengths, dupe_factor
        self._epoch, self._permutation = -1, np.arange(0)

    def steps(self, epochs: float) -> int:
        """Returns the number of steps that see the rows so many times, rounded up."""
        return max(1, -(-round(self._num_rows * epochs) // self._batch))

    def rows(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns row indices int64 and keys int32 ``[stop - start, batch]``."""
        if self._lengths is None:
            return self._stream(start, stop)
        first, last = start // _WINDOW_STEPS, (stop - 1) // _WINDOW_STEPS
        windows = [self._window(number) for number in range(first, last + 1)]
        here = slice(start - first * _WINDOW_STEPS, stop - first * _WINDOW_STEPS)
        return (
            np.concatenate([rows for rows, _ in windows])[here],
            np.concatenate([keys for _, keys in windows])[here],
        )

    def _window(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        assert self._lengths is not None
        start = number * _WINDOW_STEPS
        rows, keys = self._stream(start, start + _WINDOW_STEPS)
        by_length = np.argsort(self._lengths[rows.reshape(-1)], kind="stable")
        generator = np.random.Generator(np.random.PCG64([self._seed, number, 1]))
        order = generator.permutation(_WINDOW_STEPS)
        return tuple(
            x.reshape(-1)[by_length].reshape(x.shape)[order] for x in (rows, keys)
        )

    def _stream(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        first, last = start * self._batch, stop * self._batch
        indices, keys = [], []
        while first < last:
            epoch, offset = divmod(first, self._num_rows)
            take = min(last - first, self._num_rows - offset)
            part = self._order(epoch)[offset : offset + take]
            indices.append(part)
            key_epoch = epoch % self._dupe_factor if self._dupe_factor else epoch
            keys.append(row_keys(self._seed, key_epoch, part))
            first += take
        shape = (stop - start, self._batch)
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
