"""Builds documents: rows become lines of JSON, and rows of numbers in the index."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import orjson

from textmill.components.artifacts import SPLITS
from textmill.components.ingester.cleaning.text_pipeline import (
    TextPipeline,
    length_reason,
)
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.dedup.decontamination import contamination
from textmill.components.ingester.dedup.passages import Passages, span_hashes
from textmill.components.ingester.document_texts import DocumentTexts
from textmill.components.ingester.labels import LabelRules
from textmill.components.ingester.readers import READERS
from textmill.components.ingester.readers.records import BadRecord, Record
from textmill.components.ingester.sampling.splitting import Splitter
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.sources.path_columns import DIRECTORY, path_columns
from textmill.components.ingester.span_shift import shift_spans
from textmill.components.ingester.tagged_tokens import join_tokens
from textmill.components.scratch import cached_path
from textmill.components.text.minhash import near_keys
from textmill.components.text.shingles import ngram_hashes, text_key
from textmill.models.errors import DataError, did_you_mean
from textmill.models.spans import mismatch
from textmill.models.targets import TARGETS, Tags, Text
from textmill.models.texts import TEXT_FIELDS

INDEX = np.dtype(
    [
        ("order", "<u8"),
        ("id_high", "<u8"),
        ("id_low", "<u8"),
        ("text_high", "<u8"),
        ("text_low", "<u8"),
        ("group", "<u8"),
        ("offset", "<u8"),
        ("length", "<u8"),
        ("text_bytes", "<u8"),
        ("part", "<u4"),
        ("number", "<u4"),
        ("label", "<i4"),
        ("source", "<u2"),
        ("split", "u1"),
        ("labelled", "?"),
        ("contaminated", "?"),
    ]
)
"""One document: hashes of its id, text and split key, and the place of its line."""

_NO_HASH = bytes(16)
_OWN = ("id", *TEXT_FIELDS, "label")


class DocumentBatch(NamedTuple):
    """The lines built since the last call, and arrays that describe them."""

    lines: bytes
    rows: np.ndarray
    """Rows of INDEX; offsets count from the first line, the caller sets ``part``."""
    near: np.ndarray | None
    """Band keys, uint64 [rows, bands], for near duplicates."""
    spans: Passages | None
    """Hashes of paragraphs or runs of sentences, for the removal of repeats."""


@dataclass
class DocumentBuilder:
    """Builds the documents of one partition, and counts the dropped ones."""

    dataset: DatasetConfig
    seed: int
    source_name: str = ""
    evaluation_ngrams: str | None = None
    """The path of the sorted n-gram hashes of protected texts, as .npy."""
    keep_unlabelled: bool = False
    """Whether documents without a target are built, not dropped."""
    labels: dict[tuple[str, ...], int] = field(default_factory=dict)
    """Numbers of the label, or set of labels, of documents."""
    columns: set[str] = field(default_factory=set)
    dropped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    """By reason: the columns of a record without that of the target."""
    num_read: int = 0

    def __post_init__(self) -> None:
        split, clean = self.dataset.split, self.dataset.clean
        sources = self.dataset.named_sources()
        self._source: SourceConfig = sources[self.source_name]
        self._source_code = list(sources).index(self.source_name)
        self._target = TARGETS[self._source.target]
        row = READERS[self._source.reader]
        self._id_column = row.id_column or self._source.id
        self._labels = LabelRules(self.dataset.labels, self._source.target_column)
        self._splitter = Splitter(split)
        self._key = None if split.by in ("id", "position", "source") else split.by
        self._by_position = split.by == "position"
        self._pipeline = TextPipeline(clean, seed=self.seed)
        self._document_texts = DocumentTexts(self._source, clean, self._pipeline)
        self.removed, self.personal = self._pipeline.removed, self._pipeline.personal
        self._exact = clean.dedup != "none"
        self._near = clean.near if clean.dedup == "near" else None
        self._group = self._near is not None or self.dataset.labels.rare == "train"
        self._needs_texts = (
            self._near is not None
            or clean.repeated_passages != "keep"
            or self.evaluation_ngrams is not None
        )
        if self.evaluation_ngrams is not None:
            self._index = np.load(cached_path(self.evaluation_ngrams), mmap_mode="r")
        self._order_key = str(self.seed).encode()
        self._other_names: dict[tuple[str, ...], list[str]] = {}
        self._num_built = 0
        self._clear()

    def _clear(self) -> None:
        self.num_pending_bytes = 0
        self._lines: list[bytes] = []
        self._texts: list[str] = []
        self._first_texts: list[str] = []
        self._digests: list[bytes] = []
        self._numbers: list[tuple[int, int, int, int, bool]] = []

    def from_path(self, path: str) -> dict[str, str | None]:
        """Returns the columns that documents of a file may take from its path."""
        used = {self._source.target_column, self._key}
        return {name: v for name, v in path_columns(path).items() if name in used}

    def add(self, record: Record, *, name: str, split: str | None = None) -> None:
        """Adds the documents of a record.

        Raises:
            BadRecord: a column is missing or not of its type.
            DataError: a tag would overwrite a column.
        """
        row = record.row
        values = [self._field(row, column) for column in self._source.text_columns]
        if isinstance(values[0], list) and isinstance(self._target, Tags):
            column = str(self._source.target_column)
            separator = self._source.token_separator
            values[0], spans = join_tokens(
                values[0],
                self._field(row, column),
                " " if separator is None else separator,
            )
            row = row | {column: spans}
        texts = self._document_texts.read(values[0], values[1:])
        if texts is None:
            self.num_read += 1
            self.dropped["no_text"] += 1
            return
        identity = self._identity(record, name)
        target = self._target_value(row, texts[0])
        if target is None and self._source.target_column and not self.keep_unlabelled:
            self.num_read += 1
            self.dropped[f"no_{self._target.field}"] += 1
            return
        key = self._split_key(row, identity if self._id_column else texts[0])
        code = SPLITS.index(split) if split else self._splitter.split_of(key)
        others = {column: row[column] for column in self._others(row)}
        if self.source_name:
            others.setdefault("source", self.source_name)
        if not self._by_position:
            self._emit(identity, texts, target, others, code, key)
            return
        text = self._pipeline.apply(texts[0], identity, others)[0]
        for code, piece in self._splitter.split_text(text):
            name = f"{identity}#{SPLITS[code]}"
            self._emit(name, [piece], target, others, code, key)

    def take(self) -> DocumentBatch:
        """Returns the documents built since the last call."""
        rows = np.zeros(len(self._lines), INDEX)
        hashes = np.frombuffer(b"".join(self._digests), "<u8").reshape(-1, 6)
        names = ("order", "id_high", "id_low", "text_high", "text_low", "group")
        for column, name in enumerate(names):
            rows[name] = hashes[:, column]
        numbers = np.array(self._numbers, np.int64).reshape(-1, 5)
        names = ("length", "text_bytes", "label", "split", "labelled")
        for column, name in enumerate(names):
            rows[name] = numbers[:, column]
        rows["offset"] = np.cumsum(rows["length"]) - rows["length"]
        rows["source"] = self._source_code
        rows["number"] = np.arange(self._num_built, self._num_built + len(rows))
        self._num_built += len(rows)
        block = DocumentBatch(
            b"".join(self._lines), rows, self._near_keys(), self._find_spans()
        )
        if self.evaluation_ngrams is not None and self.dataset.decontaminate:
            config = self.dataset.decontaminate
            shares = contamination(
                *ngram_hashes(self._texts, config.ngrams), self._index
            )
            rows["contaminated"] = shares > config.max_share
        self._clear()
        return block

    def _near_keys(self) -> np.ndarray | None:
        if self._near is None:
            return None
        values, splits = ngram_hashes(self._texts, self._near.ngrams)
        bands, hashes = self._near.bands, self._near.hashes
        return near_keys(values, splits, bands=bands, hashes=hashes)

    def _find_spans(self) -> Passages | None:
        repeats = self.dataset.clean.repeated_passages
        return None if repeats == "keep" else span_hashes(self._first_texts, repeats)

    def _emit(
        self,
        identity: str,
        texts: list[str],
        target: Any,
        others: dict[str, Any],
        split: int,
        key: str,
    ) -> None:
        if self._by_position:
            reason = length_reason(texts[0], self.dataset.clean)
        else:
            original = texts[0]
            texts, reason = self._document_texts.clean(texts, identity, others)
            if not reason:
                if target is not None and self._target.has_spans:
                    target = self._moved(target, original, texts[0])
                target, reason = self._clean_target(target, identity, others)
        self.num_read += 1
        if reason:
            self.dropped[reason] += 1
            return
        document: dict[str, Any] = {"id": identity}
        document |= zip(TEXT_FIELDS, texts, strict=False)
        text = texts[0] if len(texts) == 1 else "\n".join(texts)
        code = -1
        if target is not None:
            document[self._target.field] = target
        if self._target.has_labels and target is not None:
            labels = self._target.labels_of(target)
            code = self.labels.setdefault(labels, len(self.labels))
        document |= others
        line = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
        self._lines.append(line)
        self.num_pending_bytes += len(line)
        if self._needs_texts:
            self._texts.append(text)
            self._first_texts.append(texts[0])
        self._digests.append(_hash(identity.encode(), 24, self._order_key))
        self._digests.append(text_key(text) if self._exact else _NO_HASH)
        self._digests.append(
            _hash(key.encode(), 8, b"") if self._group else _NO_HASH[:8]
        )
        size = sum(map(_num_bytes, texts))
        self._numbers.append((len(line), size, code, split, target is not None))

    def _field(self, row: dict[str, Any], column: str) -> Any:
        try:
            return row[column]
        except KeyError:
            sentence = self._missing_column(row, column)
            raise BadRecord("missing_column", sentence) from None

    def _missing_column(self, row: dict[str, Any], column: str) -> str:
        columns = ", ".join(map(repr, row)) or "none"
        hint = did_you_mean(column, list(row))
        if list(row) == ["text"] and column == self._source.target_column:
            field = self._target.field
            hint = f"; {field}: {DIRECTORY} takes it from the file's folder"
        return f"expected column {column!r}, found {columns}{hint}"

    def _identity(self, record: Record, name: str) -> str:
        prefix = f"{self.source_name}/" if self.source_name else ""
        if self._id_column is None:
            return f"{prefix}{name}:{record.offset}"
        value = self._field(record.row, self._id_column)
        if type(value) not in (str, int) or value == "":
            raise _wrong_type("id", self._id_column, value, "a string or an integer")
        return f"{prefix}{value}"

    def _target_value(self, row: dict[str, Any], text: str) -> Any:
        """Returns the target as documents hold it; None without a target."""
        column, separator = self._source.target_column, self._source.labels_separator
        if column is None:
            return None
        if column not in row:
            reason = f"no_{self._target.field}"
            self.examples.setdefault(reason, self._missing_column(row, column))
        value = row.get(column)
        if self._labels.is_missing(value):
            return None
        if separator is not None and type(value) is str:
            value = [name.strip() for name in value.split(separator) if name.strip()]
        if self._target.is_missing(value):
            return None
        try:
            target = self._target.parse(value, text)
            return self._target.rename(target, self._labels.name)
        except ValueError as error:
            reason = f"{self._target.field}_type"
            raise BadRecord(reason, f"column {column!r}: {error}") from None

    def _moved(self, target: Any, before: str, after: str) -> Any:
        """Returns the spans of a text as those of its cleaned form."""
        field = self._target.field
        spans = target if before == after else shift_spans(target, before, after)
        if spans is None:
            raise BadRecord(
                f"{field}_moved",
                f"cleaning changed a text whose {field} count its characters; clean it "
                "beforehand, or turn the step of clean off",
            )
        return spans

    def _clean_target(
        self, target: Any, identity: str, others: dict[str, Any]
    ) -> tuple[Any, str | None]:
        """Returns the target of a cleaned text, and the reason to drop it or None.

        A text as target is cleaned like a document's further texts.
        """
        if not isinstance(self._target, Text) or target is None:
            return target, None
        target, reason = self._document_texts.clean_further(target, identity, others)
        return target, reason or (None if target.strip() else "too_short")

    def _split_key(self, row: dict[str, Any], identity: str) -> str:
        if self._key is None:
            return identity
        value = self._field(row, self._key)
        if type(value) not in (str, int, float, bool):
            raise _wrong_type("split_key", self._key, value, "a plain value")
        return str(value)

    def _others(self, row: dict[str, Any]) -> list[str]:
        """Returns the sorted names of the columns that are copied to the document."""
        names = tuple(row)
        others = self._other_names.get(names)
        if others is None:
            source = self._source
            columns = (*source.text_columns, source.target_column, self._id_column)
            taken = {*_OWN, *columns, self._target.field}
            self._check_tags(names)
            others = self._other_names[names] = sorted(set(names) - taken)
        plain = [name for name in others if type(row[name]) in (str, int, float, bool)]
        self.columns.update(plain)
        return plain

    def _check_tags(self, names: tuple[str, ...]) -> None:
        """Refuses columns of the data where a tag would be written.

        Raises:
            DataError: there is one.
        """
        decontaminate, clean = self.dataset.decontaminate, self.dataset.clean
        tags = {
            "personal": clean.privacy == "tag",
            "cluster": self._near is not None and self._near.action == "tag",
            "contaminated": decontaminate is not None and decontaminate.action == "tag",
        }
        for name in names:
            if tags.get(name):
                raise DataError(
                    f"column {name!r}: exists in the data, and action: tag would "
                    "overwrite it; rename it in the data, or choose another action"
                )


def duplicates(rows: np.ndarray, order: np.ndarray, *keys: str) -> np.ndarray:
    """Returns a mask of the rows equal in all keys to the row before them in an order.

    Args:
        rows: of INDEX, [n].
        order: their positions, sorted by the keys, [n].
        keys: columns of INDEX.
    """
    same = np.ones(max(len(rows) - 1, 0), bool)
    for key in keys:
        values = rows[key][order]
        same &= values[1:] == values[:-1]
    mask = np.zeros(len(rows), bool)
    mask[order[1:][same]] = True
    return mask


def _num_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _hash(value: bytes, size: int, key: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=size, key=key).digest()


def _wrong_type(field: str, column: str, value: Any, expected: str) -> BadRecord:
    return BadRecord(f"{field}_type", f"column {column!r}: {mismatch(expected, value)}")
