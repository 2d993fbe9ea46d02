"""The token row: one schema for the writer in Beam and the reader in training.

A row has a fixed number of bytes: token ids, their number, and the columns that the
schema adds. Where each text of a document has tokens of its own, they are in one row,
every text in as many places as the longest may take. Rows are stored in TFRecord files,
whose framing has a fixed size too, so row i of a file is at a known offset: reading in
any order is a gather from a memory map, and a reader's state is a number.

Flags of tokens take one bit each. ``part_starts`` marks the beginning of a part of the
row: a document, a sentence of a pair, or prompt and answer; segment ids and positions
follow from it. ``word_starts`` marks the tokens that begin a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import google_crc32c
import numpy as np

from textmill.models.targets import TARGETS

_CRC_MASK_DELTA = 0xA282EAD8
_NUMBERS = ("ids", "length", "lengths", "follows", "target_ids", "target_length")

Parts = Literal["none", "documents", "sentences", "pair", "answer"]

TOKEN_COLUMNS = {
    *("ids", "target_ids", "segments", "types", "answer", "word_starts", "tags"),
}
"""Columns of ``RowSchema.unpack`` whose last axis is that of tokens."""


@dataclass(frozen=True)
class RowSchema:
    """The layout of a row, as recorded in a manifest.

    Attributes:
        sequence_length: tokens per row, or of each text in it.
        wide: ids take 32 bits, for vocabularies of more than 65,536 tokens.
        parts: the marked parts of a row: ``documents``, two ``sentences`` (with a flag
            for the second following the first), a ``pair`` of texts, or a prompt and
            its ``answer``.
        words: the first token of every word is marked.
        target: the kind of target of a row's document, by its name in ``TARGETS``.
        num_labels: for kind ``labels``, the number of names.
        texts: texts per row, each with its own tokens.
        target_tokens: tokens of a second sequence, that a decoder writes; 0 without.
    """

    sequence_length: int
    wide: bool
    parts: Parts = "none"
    words: bool = False
    target: str = "none"
    num_labels: int = 0
    texts: int = 1
    target_tokens: int = 0

    @classmethod
    def of(cls, facts: dict[str, Any]) -> RowSchema:
        """Reads the schema from the facts of a manifest."""
        schema = dict(facts["schema"])
        if "labelled" in schema:
            schema["target"] = "label" if schema.pop("labelled") else "none"
        return cls(**schema)

    @property
    def facts(self) -> dict[str, Any]:
        """The schema in a manifest; kinds none and label are a boolean there."""
        facts = asdict(self)
        if self.target in ("none", "label"):
            del facts["target"], facts["num_labels"]
            facts["labelled"] = self.target == "label"
        if self.texts == 1:
            del facts["texts"]
        if not self.target_tokens:
            del facts["target_tokens"]
        return facts

    @property
    def row_length(self) -> int:
        """Tokens per row, padding included."""
        return self.sequence_length * self.texts

    @property
    def dtype(self) -> np.dtype[Any]:
        """The row as a NumPy record: ids, length, and the schema's further columns.

        Bits fill bytes from the highest to the lowest, as in ``np.packbits``.
        """
        ids = "<u4" if self.wide else "<u2"
        bits = ("u1", (-(-self.sequence_length // 8),))
        fields: list[Any] = [("ids", ids, (self.row_length,)), ("length", "<u4")]
        if self.texts > 1:
            fields.append(("lengths", "<u4", (self.texts,)))
        target = TARGETS[self.target]
        fields += target.row_fields(self.num_labels, self.sequence_length)
        if self.parts != "none":
            fields.append(("part_starts", *bits))
        if self.words:
            fields.append(("word_starts", *bits))
        if self.parts == "sentences":
            fields.append(("follows", "u1"))
        if self.target_tokens:
            fields.append(("target_ids", ids, (self.target_tokens,)))
            fields.append(("target_length", "<u4"))
        return np.dtype(fields)

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

    def unpack(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Unpacks rows ``[n]`` of ``dtype`` into columns.

        Returns:
            ``ids`` int32 ``[n, length]``, ``length`` int32 ``[n]``, and depending on
            the schema: for k texts, ``ids`` ``[n, k, length]`` and ``lengths`` int32
            ``[n, k]``, of which ``length`` is the sum; the target's column (see
            ``textmill.models.targets``); for documents, ``segments`` int32 ``[n,
            length]``, counted from 1, 0 for padding; for sentences and pairs, ``types``
            int32 ``[n, length]``, 1 in the second; for sentences, ``follows`` int32
            ``[n]``; for answers, ``answer`` int32 ``[n, length]``, 1 inside;
            ``word_starts`` uint8 ``[n, length]``; ``target_ids`` int32 ``[n,
            target_tokens]`` and ``target_length`` int32 ``[n]``.
        """
        columns = {
            name: rows[name].astype(np.int32)
            for name in _NUMBERS
            if name in (rows.dtype.names or ())
        }
        if self.texts > 1:
            shape = (len(rows), self.texts, self.sequence_length)
            columns["ids"] = columns["ids"].reshape(shape)
        target = TARGETS[self.target]
        for name, *_ in target.row_fields(self.num_labels, self.sequence_length):
            columns[name] = target.unpack(rows[name])
        if self.words:
            columns["word_starts"] = self._bits(rows["word_starts"])
        if self.parts != "none":
            inside = np.arange(self.sequence_length) < rows["length"][:, None]
            number = np.cumsum(self._bits(rows["part_starts"]), axis=1, dtype=np.int32)
            if self.parts == "documents":
                columns["segments"] = number * inside
            else:
                name = "answer" if self.parts == "answer" else "types"
                columns[name] = (inside & (number == 2)).astype(np.int32)
        return columns

    def _bits(self, packed: np.ndarray) -> np.ndarray:
        return np.unpackbits(packed, axis=1, count=self.sequence_length)


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
    data, value = np.ascontiguousarray(rows).tobytes(), google_crc32c.value
    checksums = [value(data[i : i + size]) for i in range(0, len(data), size)]
    crc = np.array(checksums, np.uint64)
    crc = ((crc >> np.uint64(15)) | (crc << np.uint64(17))) & np.uint64(0xFFFFFFFF)
    frames["row_crc"] = (crc + np.uint64(_CRC_MASK_DELTA)).astype(np.uint32)
    return frames.tobytes()


TEACHER = "teacher"
"""Column of the probabilities that a student learns, float32 ``[n, labels]``."""


class RowReader:
    """Reads rows of one split by index, over its files in order."""

    def __init__(self, paths: Sequence[Path], schema: RowSchema) -> None:
        self._schema = schema
        self._maps = [
            np.memmap(path, schema.frame, "r") for path in paths if path.stat().st_size
        ]
        self._ends = np.cumsum([len(m) for m in self._maps])

    def __len__(self) -> int:
        return int(self._ends[-1]) if self._maps else 0

    @property
    def num_texts(self) -> int:
        """Texts per row, each with its own tokens."""
        return self._schema.texts

    @property
    def row_length(self) -> int:
        """Tokens per row, padding included."""
        return self._schema.row_length

    def lengths(self) -> np.ndarray:
        """Returns the number of tokens of every row, int32 ``[rows]``."""
        lengths = self.column("length").astype(np.int32)
        if self._schema.target_tokens:
            lengths += self.column("target_length").astype(np.int32)
        return lengths

    def widths(self) -> np.ndarray:
        """Returns the tokens of the longest sequence of every row, int32 ``[rows]``."""
        if self._schema.texts > 1:
            return self.column("lengths").max(axis=1).astype(np.int32)
        names = ["length", *(["target_length"] if self._schema.target_tokens else [])]
        return np.max([self.column(name) for name in names], axis=0).astype(np.int32)

    def column(self, name: str) -> np.ndarray:
        """Returns a stored column of all rows, ``[rows, ...]``; see ``RowSchema``."""
        return np.concatenate([m["row"][name] for m in self._maps])

    def take(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Gathers rows, as the columns of ``RowSchema.unpack``."""
        file = np.searchsorted(self._ends, indices, side="right")
        offset = indices - np.concatenate([[0], self._ends])[file]
        rows = np.empty(len(indices), self._maps[0].dtype["row"])
        for number in np.unique(file):
            in_file = file == number
            rows[in_file] = self._maps[number]["row"][offset[in_file]]
        return self._schema.unpack(rows)


class TaughtRows(RowReader):
    """Rows with the column ``teacher``.

    Args:
        paths: as of ``RowReader``.
        schema: as of ``RowReader``.
        teacher: float32 ``[rows, labels]``, in the order of the rows.
    """

    def __init__(
        self, paths: Sequence[Path], schema: RowSchema, teacher: np.ndarray
    ) -> None:
        super().__init__(paths, schema)
        assert len(teacher) == len(self), (len(teacher), len(self))
        self._teacher = teacher

    def take(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Gathers rows, with the teacher's probabilities."""
        return super().take(indices) | {TEACHER: self._teacher[indices]}
