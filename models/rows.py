"""The token row: one schema for the writer in Beam and the reader in training.

A row is a fixed number of bytes: token ids, their number, and a label where there is
one. Rows lie in TFRecord files, whose framing is fixed too, so that row i of a file is
at a known offset: any order of reading is a gather from a memory map, and the state of
a reader is a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np

_CRC_MASK_DELTA = 0xA282EAD8


@dataclass(frozen=True)
class RowSchema:
    """The layout of a row, as it stands in a manifest.

    Attributes:
        sequence_length: tokens a row.
        wide: whether ids take 32 bits, for vocabularies of more than 65,536 entries.
        labelled: whether a row carries a label index.
    """

    sequence_length: int
    wide: bool
    labelled: bool

    @classmethod
    def of(cls, facts: dict[str, Any]) -> RowSchema:
        """Reads the schema from the facts of a manifest."""
        return cls(**facts["schema"])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The row as a NumPy record: ids, length, and label if there is one."""
        ids = "<u4" if self.wide else "<u2"
        fields: list[Any] = [("ids", ids, (self.sequence_length,)), ("length", "<u4")]
        return np.dtype(fields + [("label", "<i4")] * self.labelled)

    @property
    def frame(self) -> np.dtype[Any]:
        """The row inside TFRecord's framing: size, checksum, row, checksum."""
        return np.dtype(
            [
                ("size", "<u8"),
                ("size_crc", "<u4"),
                ("row", self.dtype),
                ("row_crc", "<u4"),
            ]
        )


def masked_crc(data: bytes) -> int:
    """Returns TFRecord's masked CRC-32C of some bytes."""
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + _CRC_MASK_DELTA) & 0xFFFFFFFF


def frame_rows(schema: RowSchema, rows: np.ndarray) -> bytes:
    """Returns rows ``[n]`` of ``schema.dtype`` as TFRecord bytes."""
    frames = np.zeros(len(rows), schema.frame)
    size = schema.dtype.itemsize
    frames["size"] = size
    frames["size_crc"] = masked_crc(size.to_bytes(8, "little"))
    frames["row"] = rows
    data = np.ascontiguousarray(rows).tobytes()
    frames["row_crc"] = [
        masked_crc(data[i : i + size]) for i in range(0, len(data), size)
    ]
    return frames.tobytes()


class RowReader:
    """Random access to the rows of a split, over memory-mapped files."""

    def __init__(self, paths: Sequence[Path], schema: RowSchema) -> None:
        self._maps = [
            np.memmap(path, schema.frame, "r") for path in paths if path.stat().st_size
        ]
        self._ends = np.cumsum([len(m) for m in self._maps])

    def __len__(self) -> int:
        return int(self._ends[-1]) if self._maps else 0

    def lengths(self) -> np.ndarray:
        """Returns the length of every row, int32 ``[rows]``."""
        return np.concatenate([m["row"]["length"] for m in self._maps]).astype(np.int32)

    def take(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Gathers rows: ids int32 ``[n, length]``, length and label int32 ``[n]``."""
        file = np.searchsorted(self._ends, indices, side="right")
        offset = indices - np.concatenate([[0], self._ends])[file]
        rows = np.empty(len(indices), self._maps[0].dtype["row"])
        for number in np.unique(file):
            at = file == number
            rows[at] = self._maps[number]["row"][offset[at]]
        assert rows.dtype.names is not None
        return {name: rows[name].astype(np.int32) for name in rows.dtype.names}
