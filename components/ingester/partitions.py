"""Units: what a worker reads at once, and what it leaves behind of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import apache_beam as beam
import numpy as np
import orjson

from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.documents import DocumentBatch, DocumentBuilder
from textmill.components.ingester.readers.lines import read_ranges
from textmill.components.ingester.readers.records import BadRecord, DeadLetter
from textmill.components.ingester.readers.streams import BLOCK_BYTES
from textmill.components.ingester.sources.files import FileRange
from textmill.components.scratch import ScratchDir, writing
from textmill.components.worker_errors import noting


@dataclass(frozen=True)
class Partition:
    """What one worker reads at once: about a block of bytes, and its place in order."""

    number: int
    source: str
    spans: tuple[FileRange, ...]


@dataclass
class PartitionOutput:
    """What one unit of work left behind: a spill file, its index, and counts."""

    number: int
    spill: str
    index: str
    """The place of rows of INDEX, as .npy."""
    dead_letters: list[bytes]
    labels: list[str]
    columns: set[str]
    num_read: int
    dropped: Counter[str]
    bad: Counter[str]
    examples: dict[str, str]
    cut: Counter[str] = field(default_factory=Counter)
    personal: Counter[str] = field(default_factory=Counter)
    near: str | None = None
    spans: str | None = None


class ReadPartitions(beam.DoFn):
    """Reads, cleans and spills one unit."""

    def __init__(
        self,
        dataset: DatasetConfig,
        seed: int,
        exchange: ScratchDir,
        block_bytes: int,
        evaluation_ngrams: str | None,
    ) -> None:
        self._dataset, self._seed = dataset, seed
        self._exchange, self._block_bytes = exchange, block_bytes
        self._evaluation_ngrams = evaluation_ngrams

    def process(self, unit: Partition) -> Iterator[PartitionOutput]:
        """Yields the unit's index and counts; a fault is noted and yields nothing."""
        with noting(self._exchange, f"read-{unit.number:08d}"):
            yield self._read(unit)

    def _read(self, unit: Partition) -> PartitionOutput:
        shaper = DocumentBuilder(
            self._dataset, self._seed, unit.source, self._evaluation_ngrams
        )
        source = self._dataset.named_sources()[unit.source]
        name = f"lines-{unit.number:08d}"
        spill = self._exchange.place(name)
        blocks: list[DocumentBatch] = []
        by_source = self._dataset.split.by == "source"
        letters = _Letters(keep_raw=self._dataset.limits.keep_raw)
        with writing(spill) as path, path.open("wb") as file:
            for span, record in read_ranges(
                unit.spans,
                source=source,
                limits=self._dataset.limits,
                block_bytes=self._block_bytes,
            ):
                if isinstance(record, DeadLetter):
                    letters.add(span, record)
                    continue
                try:
                    split = span.split if by_source else None
                    shaper.add(record, name=span.name, split=split)
                except BadRecord as why:
                    letters.add(span, DeadLetter.of(record.offset, record.raw, why))
                if shaper.num_held_bytes >= BLOCK_BYTES:
                    blocks.append(_spill(shaper, file))
            blocks.append(_spill(shaper, file))
        near, found_spans = self._keep_keys(blocks, name)
        return PartitionOutput(
            number=unit.number,
            spill=spill,
            dead_letters=letters.lines,
            index=self._keep_index(blocks, name),
            labels=list(shaper.labels),
            columns=shaper.columns,
            num_read=shaper.num_read,
            dropped=shaper.dropped,
            bad=letters.counts,
            examples=letters.examples,
            cut=shaper.cut,
            personal=shaper.personal,
            near=near,
            spans=found_spans,
        )

    def _keep_index(self, blocks: list[DocumentBatch], name: str) -> str:
        """Writes the rows of INDEX beside the spill file; returns where."""
        place = self._exchange.place(f"index-{name}.npy")
        with writing(place) as path:
            np.save(path, np.concatenate([block.rows for block in blocks]))
        return place

    def _keep_keys(
        self, blocks: list[DocumentBatch], name: str
    ) -> tuple[str | None, str | None]:
        """Writes band keys and spans beside the spill file; returns where."""
        near = spans = None
        if blocks[0].near is not None:
            near = self._exchange.place(f"near-{name}.npy")
            keys = [block.near for block in blocks if block.near is not None]
            with writing(near) as path:
                np.save(path, np.ascontiguousarray(np.concatenate(keys).T))
        if blocks[0].spans is not None:
            spans = self._exchange.place(f"spans-{name}.npz")
            found = [block.spans for block in blocks if block.spans is not None]
            sizes = np.concatenate([np.diff(each.splits) for each in found])
            with writing(spans) as path:
                np.savez(
                    path,
                    hashes=np.concatenate([each.hashes for each in found]),
                    positions=np.concatenate([each.positions for each in found]),
                    splits=np.append(0, np.cumsum(sizes)),
                )
        return near, spans


class _Letters:
    """The dead letters of a unit as lines of JSON, with counts and examples."""

    def __init__(self, *, keep_raw: bool) -> None:
        self._keep_raw = keep_raw
        self.lines: list[bytes] = []
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def add(self, span: FileRange, letter: DeadLetter) -> None:
        entry: dict[str, Any] = {"file": span.name} | {
            key: getattr(letter, key)
            for key in ("offset", "length", "sha256", "reason", "detail")
        }
        if self._keep_raw and letter.raw is not None:
            entry["text"] = letter.raw.decode(errors="backslashreplace")
        self.lines.append(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
        self.counts[letter.reason] += 1
        where = f"{span.path}, byte {letter.offset}: {letter.detail}"
        self.examples.setdefault(letter.reason, where)


def _spill(shaper: DocumentBuilder, file: BinaryIO) -> DocumentBatch:
    begin = file.tell()
    block = shaper.take()
    file.write(block.lines)
    block.rows["offset"] += np.uint64(begin)
    return block._replace(lines=b"")
