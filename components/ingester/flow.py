"""The flow: units of files -> cleaned lines in spill files -> one choice -> shards.

Text never crosses a shuffle: a worker leaves its lines in a spill file, and only their
index goes on. Bytes depend on the documents, the config and the seed alone.
"""

from __future__ import annotations

import json
import mmap
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import apache_beam as beam
import numpy as np
import orjson
import zstandard

from components.artifacts import Documents, write_json
from components.base import Context
from components.beam import open_pipeline
from components.ingester.config import DatasetConfig
from components.ingester.contamination import ngram_index
from components.ingester.readers import read_spans
from components.ingester.records import DeadLetter, Rejected
from components.ingester.selection import Part, Shard, select
from components.ingester.shaping import Block, Shaper
from components.ingester.shingles import ngram_hashes
from components.ingester.sources import Span, cut_spans, find_files
from components.ingester.streams import BLOCK_BYTES
from models import faults

OUTCOME = "outcome.json"
ZSTD_LEVEL = 3
GATHERED_BYTES = 32 << 20
"""Lines that are held at once while a shard is written."""


@dataclass(frozen=True)
class Unit:
    """What one worker reads at once: about a block of bytes, and its place in order."""

    number: int
    source: str
    spans: tuple[Span, ...]


def run(
    documents: Documents,
    *,
    dataset: DatasetConfig,
    seed: int,
    context: Context,
    against: Mapping[str, Documents] | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> None:
    """Fills the artifact.

    Args:
        documents: to be filled.
        dataset: what the user says of it.
        seed: of the order inside shards.
        context: the runner's.
        against: data sets whose eval and test documents must not be learned from.
        block_bytes: about what a worker reads at once.

    Raises:
        Fault: as ``ingest`` says.
    """
    units: list[Unit] = []
    num_files = num_bytes = 0
    for name, source in dataset.named_sources().items():
        files = find_files(source)
        for spans in cut_spans(files, source, block_bytes=block_bytes):
            units.append(Unit(len(units), name, spans))
        num_files += len(files)
        num_bytes += sum(file.size for file in files)
    context.report({"files": num_files, "bytes": num_bytes})
    documents.path.mkdir(parents=True, exist_ok=True)
    with _spill_dir(documents, context) as folder:
        index = _index_evaluation(against or {}, dataset, folder)
        reader = ReadUnits(dataset, seed, folder, block_bytes, index)
        with open_pipeline(context.beam, locking_bytes=num_bytes) as pipeline:
            _ = (
                pipeline
                | "Units" >> beam.Create(units)
                | "Read" >> beam.ParDo(reader)
                | "Together" >> beam.combiners.ToList()
                | "Select" >> beam.FlatMap(select_shards, dataset, seed, folder)
                | "Spread" >> beam.Reshuffle()
                | "Write" >> beam.Map(write_shard, folder, documents.path)
            )
        _raise_noted(folder)
        _finish(documents, folder)
    context.report({"documents": sum(documents.facts["splits"].values())})


class ReadUnits(beam.DoFn):
    """Reads, cleans and spills one unit."""

    def __init__(
        self,
        dataset: DatasetConfig,
        seed: int,
        folder: Path,
        block_bytes: int,
        evaluation_ngrams: Path | None,
    ) -> None:
        self._dataset, self._seed = dataset, seed
        self._folder, self._block_bytes = folder, block_bytes
        self._evaluation_ngrams = evaluation_ngrams

    def process(self, unit: Unit) -> Iterator[Part]:
        """Yields the unit's index and counts; a fault is noted and yields nothing."""
        with _noting(self._folder, f"read-{unit.number:08d}"):
            yield self._read(unit)

    def _read(self, unit: Unit) -> Part:
        shaper = Shaper(self._dataset, self._seed, unit.source, self._evaluation_ngrams)
        source = self._dataset.named_sources()[unit.source]
        spill = self._folder / f"lines-{unit.number:08d}"
        blocks: list[Block] = []
        by_source = self._dataset.split.by == "source"
        letters = _Letters(keep_raw=self._dataset.limits.keep_raw)
        with spill.open("wb") as file:
            for span, record in read_spans(
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
                except Rejected as why:
                    letters.add(span, DeadLetter.of(record.offset, record.raw, why))
                if shaper.num_held_bytes >= BLOCK_BYTES:
                    blocks.append(_spill(shaper, file))
            blocks.append(_spill(shaper, file))
        near, found_spans = _keep_keys(blocks, spill)
        return Part(
            number=unit.number,
            spill=str(spill),
            dead_letters=letters.lines,
            index=_keep_index(blocks, spill),
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


class _Letters:
    """The dead letters of a unit as lines of JSON, with counts and examples."""

    def __init__(self, *, keep_raw: bool) -> None:
        self._keep_raw = keep_raw
        self.lines: list[bytes] = []
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def add(self, span: Span, letter: DeadLetter) -> None:
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


def _spill(shaper: Shaper, file: BinaryIO) -> Block:
    begin = file.tell()
    block = shaper.take()
    file.write(block.lines)
    block.rows["offset"] += np.uint64(begin)
    return block._replace(lines=b"")


def _keep_index(blocks: list[Block], spill: Path) -> Path:
    """Writes the rows of INDEX beside the spill file; returns where."""
    target = spill.with_name(f"index-{spill.name}.npy")
    np.save(target, np.concatenate([block.rows for block in blocks]))
    return target


def _keep_keys(blocks: list[Block], spill: Path) -> tuple[Path | None, Path | None]:
    """Writes band keys and spans beside the spill file; returns where."""
    near = spans = None
    if blocks[0].near is not None:
        near = spill.with_name(f"near-{spill.name}.npy")
        keys = [block.near for block in blocks if block.near is not None]
        np.save(near, np.ascontiguousarray(np.concatenate(keys).T))
    if blocks[0].spans is not None:
        spans = spill.with_name(f"spans-{spill.name}.npz")
        found = [block.spans for block in blocks if block.spans is not None]
        sizes = np.concatenate([np.diff(each.splits) for each in found])
        np.savez(
            spans,
            hashes=np.concatenate([each.hashes for each in found]),
            positions=np.concatenate([each.positions for each in found]),
            splits=np.append(0, np.cumsum(sizes)),
        )
    return near, spans


def _index_evaluation(
    against: Mapping[str, Documents], dataset: DatasetConfig, folder: Path
) -> Path | None:
    """Writes the n-grams of the documents that must not be learned from."""
    config = dataset.decontaminate
    if config is None:
        return None
    found = [np.zeros(0, np.uint64)]
    for name in config.against:
        other = against[name]
        splits = [split for split in other.splits if split != "train"]
        texts = (
            doc["text"] for split in splits or ["train"] for doc in other.read(split)
        )
        while batch := list(islice(texts, 1000)):
            found.append(np.unique(ngram_hashes(batch, config.ngrams).values))
    target = folder / "evaluation.npy"
    np.save(target, ngram_index(np.concatenate(found)))
    return target


def select_shards(
    parts: list[Part], dataset: DatasetConfig, seed: int, folder: Path
) -> Iterator[Shard]:
    """Yields what each shard holds, once every unit was read without a fault."""
    if any(folder.glob("fault-*")):
        return
    with _noting(folder, "select"):
        parts = sorted(parts, key=lambda part: part.number)
        selection = select(parts, dataset=dataset, folder=folder, seed=seed)
        with (folder / Documents.DEAD_LETTERS).open("wb") as file:
            for part in parts:
                file.writelines(part.dead_letters)
        write_json(
            folder / OUTCOME,
            {
                "facts": selection.facts,
                "ledger": selection.ledger,
                "records": selection.records,
            },
        )
        yield from selection.shards


def write_shard(shard: Shard, folder: Path, target: Path) -> None:
    """Gathers the lines of a shard in order; the bytes depend on them alone."""
    with _noting(folder, f"write-{shard.name}"), (target / shard.name).open("wb") as f:
        compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
        size = int(shard.length.sum())
        chunk = (np.cumsum(shard.length) - 1) // np.uint64(GATHERED_BYTES)
        edges = np.flatnonzero(np.diff(chunk)) + 1
        with compressor.stream_writer(f, size=size, closefd=False) as writer:
            for places in np.split(np.arange(len(chunk)), edges):
                if len(places):
                    writer.write(b"".join(_gather(shard, places)))


def _gather(shard: Shard, places: np.ndarray) -> list[bytes]:
    """Returns lines, having visited every spill file once and one at a time."""
    parts = shard.part[places]
    order = np.argsort(parts, kind="stable")
    lines = [b""] * len(places)
    for group in np.split(order, np.flatnonzero(np.diff(parts[order])) + 1):
        begin = shard.offset[places[group]]
        end = begin + shard.length[places[group]]
        cuts = zip(group.tolist(), begin.tolist(), end.tolist(), strict=True)
        with (
            open(shard.spills[int(parts[group[0]])], "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as spill,
        ):
            for at, low, high in cuts:
                lines[at] = spill[low:high]
    return lines


def _finish(documents: Documents, folder: Path) -> None:
    outcome = json.loads((folder / OUTCOME).read_bytes())
    write_json(documents.file(Documents.LEDGER), outcome["ledger"])
    shutil.move(folder / Documents.DEAD_LETTERS, documents.file(Documents.DEAD_LETTERS))
    documents.facts |= outcome["facts"]
    documents.records |= outcome["records"]


@contextmanager
def _spill_dir(documents: Documents, context: Context) -> Iterator[Path]:
    """Lends a folder beside the documents, or in the work folder, swept first."""
    if context.work_dir is None:
        folder = Path(tempfile.mkdtemp(prefix=".spill-", dir=documents.path.parent))
    else:
        folder = context.work_dir / "spill"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _noting(folder: Path, where: str) -> Iterator[None]:
    """Notes a fault in a file: Beam would turn it into a traceback in a string."""
    try:
        yield
    except faults.Fault as fault:
        _note(folder, where, fault)
    except OSError as error:
        what = f"{error.filename or folder}: {error.strerror}; mend it and run again"
        _note(folder, where, faults.EnvironmentFault(what))


def _note(folder: Path, where: str, fault: faults.Fault) -> None:
    write_json(folder / f"fault-{where}.json", [type(fault).__name__, str(fault)])


def _raise_noted(folder: Path) -> None:
    for note in sorted(folder.glob("fault-*")):
        kind, message = json.loads(note.read_bytes())
        raise getattr(faults, kind)(message)
