"""The flow: units of files -> cleaned lines in spill files -> one choice -> shards.

Text never crosses a shuffle: a worker leaves its lines in a spill file, and only their
index goes on. Bytes depend on the documents, the config and the seed alone.
"""

from __future__ import annotations

import json
import mmap
import shutil
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import apache_beam as beam
import numpy as np
import zstandard

from textmill.components.artifacts import Documents, write_json
from textmill.components.base import Context
from textmill.components.beam import open_pipeline
from textmill.components.filesystem import is_remote
from textmill.components.ingester.augment import external_files
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.dedup.decontamination import ngram_index
from textmill.components.ingester.partitions import (
    Partition,
    PartitionOutput,
    ReadPartitions,
)
from textmill.components.ingester.readers.streams import BLOCK_BYTES
from textmill.components.ingester.selection import Shard, select
from textmill.components.ingester.sources.files import find_files, split_ranges
from textmill.components.scratch import ScratchDir, local, open_exchange, writing
from textmill.components.text.shingles import ngram_hashes
from textmill.components.worker_errors import is_noted, noting, raise_noted
from textmill.models import errors as faults

OUTCOME = "outcome.json"
ZSTD_LEVEL = 3
GATHERED_BYTES = 32 << 20
"""Lines that are held at once while a shard is written."""


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
        TextmillError: as ``ingest`` says.
    """
    units: list[Partition] = []
    num_files = num_bytes = 0
    for name, source in dataset.named_sources().items():
        files = find_files(source)
        for spans in split_ranges(files, source, block_bytes=block_bytes):
            units.append(Partition(len(units), name, spans))
        num_files += len(files)
        num_bytes += sum(file.size for file in files)
    context.report({"files": num_files, "bytes": num_bytes})
    documents.path.mkdir(parents=True, exist_ok=True)
    with open_exchange(context, beside=documents.path.parent) as exchange:
        if exchange.is_remote:
            _check_within_reach(dataset, units)
        index = _index_evaluation(against or {}, dataset, exchange)
        reader = ReadPartitions(dataset, seed, exchange, block_bytes, index)
        with open_pipeline(context.beam, locking_bytes=num_bytes) as pipeline:
            _ = (
                pipeline
                | "Units" >> beam.Create(units)
                | "Read" >> beam.ParDo(reader)
                | "Together" >> beam.combiners.ToList()
                | "Select" >> beam.FlatMap(select_shards, dataset, seed, exchange)
                | "Spread" >> beam.Reshuffle()
                | "Write" >> beam.Map(write_shard, exchange, documents.path)
            )
        raise_noted(exchange)
        _finish(documents, exchange)
    context.report({"documents": sum(documents.facts["splits"].values())})


def _index_evaluation(
    against: Mapping[str, Documents], dataset: DatasetConfig, exchange: ScratchDir
) -> str | None:
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
    place = exchange.place("evaluation.npy")
    with writing(place) as path:
        np.save(path, ngram_index(np.concatenate(found)))
    return place


def select_shards(
    parts: list[PartitionOutput],
    dataset: DatasetConfig,
    seed: int,
    exchange: ScratchDir,
) -> Iterator[Shard]:
    """Yields what each shard holds, once every unit was read without a fault."""
    if is_noted(exchange):
        return
    with noting(exchange, "select"):
        parts = sorted(parts, key=lambda part: part.number)
        selection = select(parts, dataset=dataset, exchange=exchange, seed=seed)
        place = exchange.place(Documents.DEAD_LETTERS)
        with writing(place) as path, path.open("wb") as file:
            for part in parts:
                file.writelines(part.dead_letters)
        outcome = {
            "facts": selection.facts,
            "ledger": selection.ledger,
            "records": selection.records,
        }
        with writing(exchange.place(OUTCOME)) as path:
            write_json(path, outcome)
        yield from selection.shards


def write_shard(shard: Shard, exchange: ScratchDir, documents: Path) -> None:
    """Gathers the lines of a shard in order; the bytes depend on them alone."""
    with (
        noting(exchange, f"write-{shard.name}"),
        writing(exchange.target(documents, shard.name)) as path,
        path.open("wb") as f,
    ):
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
            local(shard.spills[int(parts[group[0]])]).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as spill,
        ):
            for at, low, high in cuts:
                lines[at] = spill[low:high]
    return lines


def _finish(documents: Documents, exchange: ScratchDir) -> None:
    outcome = json.loads(local(exchange.place(OUTCOME)).read_bytes())
    write_json(documents.file(Documents.LEDGER), outcome["ledger"])
    letters = local(exchange.place(Documents.DEAD_LETTERS))
    shutil.move(letters, documents.file(Documents.DEAD_LETTERS))
    documents.facts |= outcome["facts"]
    documents.records |= outcome["records"]
    for name in outcome["records"]:
        exchange.collect(documents.path, name)


def _check_within_reach(dataset: DatasetConfig, units: list[Partition]) -> None:
    """Refuses files of this machine where workers do not see its disk.

    Raises:
        ConfigError: a source, or a list of words, is one.
    """
    here = [str(path) for path in dataset.clean.quality.files]
    if dataset.augment is not None:
        here += map(str, external_files(dataset.augment))
    sources = dataset.named_sources()
    for unit in units:
        if sources[unit.source].format != "docstrings":  # installed there as well
            here += [s.path for s in unit.spans if not is_remote(s.path)]
    if here:
        raise faults.ConfigError(
            "run.beam.temp_location: expected files that its workers can read, behind "
            f"gs:// or s3://, got {here[0]}; copy it there, or take temp_location out "
            "where workers mount the root"
        )
