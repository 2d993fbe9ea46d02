"""Shaping: rows become finished lines of JSON and a compact index of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from components.artifacts import SPLITS
from components.ingester.cleaning import Splitter, clean, drop_reason, fold
from components.ingester.config import DatasetConfig
from components.ingester.records import Record, Rejected
from models.faults import did_you_mean

INDEX = np.dtype(
    [
        ("order", "<u8"),
        ("id_high", "<u8"),
        ("id_low", "<u8"),
        ("text_high", "<u8"),
        ("text_low", "<u8"),
        ("offset", "<u8"),
        ("length", "<u8"),
        ("text_bytes", "<u8"),
        ("part", "<u4"),
        ("label", "<i4"),
        ("split", "u1"),
    ]
)
"""One document: hashes of its id and text, and where its line lies in a spill file."""

_NO_TEXT_HASH = bytes(16)
_OWN = ("id", "text", "label")


@dataclass
class Shaper:
    """Turns rows into lines; counts what became of those of one unit of work."""

    dataset: DatasetConfig
    seed: int
    labels: dict[str, int] = field(default_factory=dict)
    columns: set[str] = field(default_factory=set)
    dropped: Counter[str] = field(default_factory=Counter)
    num_read: int = 0

    def __post_init__(self) -> None:
        source, split = self.dataset.source, self.dataset.split
        own_id = source.format == "docstrings"
        self._id_column = "id" if own_id else source.id
        self._splitter = Splitter(split)
        self._key = None if split.by in ("id", "position") else split.by
        self._by_position = split.by == "position"
        self._exact = self.dataset.clean.dedup == "exact"
        self._hash_key = str(self.seed).encode()
        self._kept_names: dict[tuple[str, ...], list[str]] = {}
        self._clear()

    def _clear(self) -> None:
        self.num_held_bytes = 0
        self._lines: list[bytes] = []
        self._digests: list[bytes] = []
        self._numbers: list[tuple[int, int, int, int]] = []

    def add(self, record: Record, *, name: str) -> None:
        """Takes a record of the file that goes by this name.

        Raises:
            Rejected: a column is missing or not of its type.
        """
        row, source = record.row, self.dataset.source
        text = self._field(row, source.text)
        if type(text) is not str:
            raise _wrong_type("text", source.text, text, "a string")
        if "\0" in text:
            raise Rejected("nul", "holds a NUL character")
        identity = self._identity(record, name)
        label = self._label(row) if source.label else None
        split = self._splitter.split_of(self._split_key(row, identity))
        text = clean(text, self.dataset.clean)
        others = {column: row[column] for column in self._others(row)}
        if not self._by_position:
            self._emit(identity, text, label, others, split)
            return
        for split, piece in self._splitter.cut(text):
            self._emit(f"{identity}#{SPLITS[split]}", piece, label, others, split)

    def take(self) -> tuple[bytes, np.ndarray]:
        """Returns the lines since the last call, and their rows of INDEX.

        Offsets count from the first of them; ``part`` is the caller's to fill in.
        """
        rows = np.zeros(len(self._lines), INDEX)
        hashes = np.frombuffer(b"".join(self._digests), "<u8").reshape(-1, 5)
        names = ("order", "id_high", "id_low", "text_high", "text_low")
        for column, name in enumerate(names):
            rows[name] = hashes[:, column]
        numbers = np.array(self._numbers, np.int64).reshape(-1, 4)
        for column, name in enumerate(("length", "text_bytes", "label", "split")):
            rows[name] = numbers[:, column]
        rows["offset"] = np.cumsum(rows["length"]) - rows["length"]
        lines = b"".join(self._lines)
        self._clear()
        return lines, rows

    def _emit(
        self,
        identity: str,
        text: str,
        label: str | None,
        others: dict[str, Any],
        split: int,
    ) -> None:
        self.num_read += 1
        if reason := drop_reason(text, self.dataset.clean):
            self.dropped[reason] += 1
            return
        document: dict[str, Any] = {"id": identity, "text": text}
        code = -1
        if label is not None:
            document["label"] = label
            code = self.labels.setdefault(label, len(self.labels))
        document |= others
        line = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
        self._lines.append(line)
        self.num_held_bytes += len(line)
        self._digests.append(_hash(identity.encode(), 24, self._hash_key))
        self._digests.append(
            _hash(fold(text).encode(), 16, b"") if self._exact else _NO_TEXT_HASH
        )
        size = len(text) if text.isascii() else len(text.encode())
        self._numbers.append((len(line), size, code, split))

    def _field(self, row: dict[str, Any], column: str) -> Any:
        try:
            return row[column]
        except KeyError:
            there = ", ".join(map(repr, row)) or "none"
            raise Rejected(
                "missing_column",
                f"expected column {column!r}, found {there}"
                f"{did_you_mean(column, list(row))}",
            ) from None

    def _identity(self, record: Record, name: str) -> str:
        if self._id_column is None:
            return f"{name}:{record.offset}"
        value = self._field(record.row, self._id_column)
        if type(value) not in (str, int) or value == "":
            raise _wrong_type("id", self._id_column, value, "a string or an integer")
        return str(value)

    def _label(self, row: dict[str, Any]) -> str:
        column = str(self.dataset.source.label)
        value = self._field(row, column)
        if type(value) is bool:
            return "true" if value else "false"
        if type(value) not in (str, int) or value == "":
            raise _wrong_type("label", column, value, "a string or an integer")
        return str(value)

    def _split_key(self, row: dict[str, Any], identity: str) -> str:
        if self._key is None:
            return identity
        value = self._field(row, self._key)
        if type(value) not in (str, int, float, bool):
            raise _wrong_type("split_key", self._key, value, "a plain value")
        return str(value)

    def _others(self, row: dict[str, Any]) -> list[str]:
        """Returns the sorted names of the columns that travel along as they are."""
        names = tuple(row)
        kept = self._kept_names.get(names)
        if kept is None:
            source = self.dataset.source
            taken = {*_OWN, source.text, source.label, self._id_column}
            kept = self._kept_names[names] = sorted(set(names) - taken)
        plain = [name for name in kept if type(row[name]) in (str, int, float, bool)]
        self.columns.update(plain)
        return plain


def _hash(value: bytes, size: int, key: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=size, key=key).digest()


def _wrong_type(what: str, column: str, value: Any, expected: str) -> Rejected:
    got = "an empty string" if value == "" else type(value).__name__
    return Rejected(
        f"{what}_type", f"column {column!r}: expected {expected}, got {got}"
    )
