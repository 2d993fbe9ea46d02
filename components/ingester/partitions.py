"""Partitions: the unit of work of ingestion, and its output files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

import apache_beam as beam
import numpy as np

from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.documents import DocumentBatch, DocumentBuilder
from textmill.components.ingester.readers.reader import FileRange, read_ranges
from textmill.components.ingester.readers.records import BadRecord, DeadLetter
from textmill.components.ingester.readers.streams import BLOCK_BYTES
from textmill.components.scratch import ScratchDir, uploading
from textmill.components.worker_errors import recording_errors


@dataclass(frozen=True)
class Partition:
    """The file ranges that one worker reads at once, about a block of bytes."""

    number: int
    source: str
    ranges: tuple[FileRange, ...]


class Rejected(NamedTuple):
    """A dead letter as it is stored, and where it is from."""

    source: str
    file_range: FileRange
    entry: dict[str, Any]


@dataclass
class PartitionOutput:
    """The output of a partition: a spill file of lines, its index, and counts."""

    number: int
    spill: str
    index: str
    """The path or URL of its rows of INDEX, as .npy."""
    dead_letters: list[Rejected]
    labels: list[tuple[str, ...]]
    columns: set[str]
    num_read: int
    dropped: Counter[str]
    bad: Counter[str]
    examples: dict[str, str]
    """By reason for which documents were dropped: a sentence about the first."""
    removed: Counter[str] = field(default_factory=Counter)
    personal: Counter[str] = field(default_factory=Counter)
    near: str | None = None
    spans: str | None = None


class ReadPartitions(beam.DoFn):
    """Reads and cleans partitions, and writes their lines to spill files."""

    def __init__(
        self,
        dataset: DatasetConfig,
        seed: int,
        scratch: ScratchDir,
        block_bytes: int,
        evaluation_ngrams: str | None,
        *,
        keep_unlabelled: bool = False,
    ) -> None:
        self._dataset, self._seed = dataset, seed
        self._scratch, self._block_bytes = scratch, block_bytes
        self._evaluation_ngrams = evaluation_ngrams
        self._keep_unlabelled = keep_unlabelled

    def process(self, partition: Partition) -> Iterator[PartitionOutput]:
        """Yields a partition's output; an error is recorded and yields nothing."""
        with recording_errors(self._scratch, f"read-{partition.number:08d}"):
            yield self._read(partition)

    def _read(self, partition: Partition) -> PartitionOutput:
        builder = DocumentBuilder(
            self._dataset,
            self._seed,
            partition.source,
            self._evaluation_ngrams,
            keep_unlabelled=self._keep_unlabelled,
        )
        letters = _DeadLetters(partition.source, keep_raw=self._dataset.limits.keep_raw)
        name = f"lines-{partition.number:08d}"
        spill = self._scratch.path(name)
        with uploading(spill) as path, path.open("wb") as file:
            batches = list(self._spill(partition, builder, letters, file))
        near, spans = self._write_keys(batches, name)
        return PartitionOutput(
            number=partition.number,
            spill=spill,
            dead_letters=letters.rejected,
            index=self._write_index(batches, name),
            labels=list(builder.labels),
            columns=builder.columns,
            num_read=builder.num_read,
            dropped=builder.dropped,
            bad=letters.counts,
            examples=builder.examples,
            removed=builder.removed,
            personal=builder.personal,
            near=near,
            spans=spans,
        )

    def _spill(
        self,
        partition: Partition,
        builder: DocumentBuilder,
        letters: _DeadLetters,
        file: BinaryIO,
    ) -> Iterator[DocumentBatch]:
        """Writes the lines of a partition; yields their batches without the lines."""
        by_source = self._dataset.split.by == "source"
        current, from_path = None, {}
        for file_range, record in read_ranges(
            partition.ranges,
            source=self._dataset.named_sources()[partition.source],
            limits=self._dataset.limits,
            block_bytes=self._block_bytes,
        ):
            if isinstance(record, DeadLetter):
                letters.add(file_range, record)
                continue
            try:
                if file_range is not current:
                    current, from_path = file_range, builder.from_path(file_range.path)
                if from_path:
                    record = record._replace(row=from_path | record.row)
                split = file_range.split if by_source else None
                builder.add(record, name=file_range.name, split=split)
            except BadRecord as error:
                letter = DeadLetter.of(record.offset, record.raw, error)
                letters.add(file_range, letter)
            if builder.num_pending_bytes >= BLOCK_BYTES:
                yield _write_batch(builder, file)
        yield _write_batch(builder, file)

    def _write_index(self, batches: list[DocumentBatch], name: str) -> str:
        """Writes the rows of INDEX; returns the path."""
        place = self._scratch.path(f"index-{name}.npy")
        with uploading(place) as path:
            np.save(path, np.concatenate([batch.rows for batch in batches]))
        return place

    def _write_keys(
        self, batches: list[DocumentBatch], name: str
    ) -> tuple[str | None, str | None]:
        """Writes band keys and spans where they are used; returns the paths."""
        near = spans = None
        if batches[0].near is not None:
            near = self._scratch.path(f"near-{name}.npy")
            keys = [batch.near for batch in batches if batch.near is not None]
            with uploading(near) as path:
                np.save(path, np.ascontiguousarray(np.concatenate(keys).T))
        if batches[0].spans is not None:
            spans = self._scratch.path(f"spans-{name}.npz")
            parts = [batch.spans for batch in batches if batch.spans is not None]
            sizes = np.concatenate([np.diff(part.splits) for part in parts])
            with uploading(spans) as path:
                np.savez(
                    path,
                    hashes=np.concatenate([part.hashes for part in parts]),
                    positions=np.concatenate([part.positions for part in parts]),
                    splits=np.append(0, np.cumsum(sizes)),
                )
        return near, spans


class _DeadLetters:
    """The dead letters of a partition, with counts by reason."""

    def __init__(self, source: str, *, keep_raw: bool) -> None:
        self._source, self._keep_raw = source, keep_raw
        self.rejected: list[Rejected] = []
        self.counts: Counter[str] = Counter()

    def add(self, file_range: FileRange, letter: DeadLetter) -> None:
        entry: dict[str, Any] = {"file": file_range.name} | {
            key: getattr(letter, key)
            for key in ("offset", "length", "sha256", "reason", "detail")
        }
        if letter.num_records > 1:
            entry["records"] = letter.num_records
        if self._keep_raw and letter.raw is not None:
            entry["text"] = letter.raw.decode(errors="backslashreplace")
        self.rejected.append(Rejected(self._source, file_range, entry))
        self.counts[letter.reason] += letter.num_records


def _write_batch(builder: DocumentBuilder, file: BinaryIO) -> DocumentBatch:
    begin = file.tell()
    batch = builder.take()
    file.write(batch.lines)
    batch.rows["offset"] += np.uint64(begin)
    return batch._replace(lines=b"")
