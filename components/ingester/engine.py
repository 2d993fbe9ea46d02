"""Ingestion in Beam: partitions -> lines in spill files -> selection -> shards.

Text never crosses a shuffle: a worker writes its lines to a spill file and passes on
their index. Bytes depend on the documents, the config and the seed alone.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from itertools import islice

import apache_beam as beam
import numpy as np
import orjson

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
from textmill.components.ingester.positions import add_positions
from textmill.components.ingester.readers import READERS
from textmill.components.ingester.readers.reader import split_ranges
from textmill.components.ingester.readers.streams import BLOCK_BYTES
from textmill.components.ingester.selection import count_records, select
from textmill.components.ingester.shard_writer import Shard, write_shard
from textmill.components.ingester.sources.files import find_files
from textmill.components.scratch import (
    ScratchDir,
    cached_path,
    open_scratch_dir,
    uploading,
)
from textmill.components.text.shingles import ngram_hashes
from textmill.components.worker_errors import (
    has_errors,
    raise_first_error,
    recording_errors,
)
from textmill.models.errors import ConfigError, DataError
from textmill.models.texts import joined_text

_OUTCOME = "outcome.json"
_NUM_SAMPLED = 100


def run(
    documents: Documents,
    *,
    dataset: DatasetConfig,
    seed: int,
    keep_unlabelled: bool = False,
    name: str = "data",
    context: Context,
    against: Mapping[str, Documents] | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> None:
    """Writes the artifact.

    Args:
        documents: the artifact.
        dataset: the config of its sources, cleaning and splits.
        seed: seed of the order inside shards.
        keep_unlabelled: keep documents without a target.
        name: the data set's, for messages.
        context: the runner's context.
        against: data sets whose eval and test documents are protected.
        block_bytes: approximate size of a partition.

    Raises:
        TextmillError: as ``ingest``.
    """
    partitions, num_files, num_bytes = _make_partitions(dataset, block_bytes)
    files = "1 file" if num_files == 1 else f"{num_files:,} files"
    phase = f"reading {files}, {num_bytes / 1e6:,.1f} MB"
    context.report({"phase": phase, "files": num_files, "bytes": num_bytes})
    documents.path.mkdir(parents=True, exist_ok=True)
    with open_scratch_dir(context, parent=documents.path.parent) as scratch:
        if scratch.is_remote:
            _check_within_reach(dataset, partitions)
        index = _index_evaluation(against or {}, dataset, scratch)
        reader = ReadPartitions(
            dataset,
            seed,
            scratch,
            block_bytes,
            index,
            keep_unlabelled=keep_unlabelled,
        )
        with open_pipeline(context.beam, locking_bytes=num_bytes) as pipeline:
            _ = (
                pipeline
                | "Partitions" >> beam.Create(partitions)
                | "Read" >> beam.ParDo(reader)
                | "Collect" >> beam.combiners.ToList()
                | "Select" >> beam.FlatMap(select_shards, dataset, seed, scratch)
                | "Distribute" >> beam.Reshuffle()
                | "Write" >> beam.Map(write_shard, scratch, documents.path)
            )
        try:
            raise_first_error(scratch)
        except DataError as error:
            raise _keep_rejected(documents, scratch, error, name) from None
        _finish(documents, scratch)
    context.report({"documents": sum(documents.facts["splits"].values())})


def _make_partitions(
    dataset: DatasetConfig, block_bytes: int
) -> tuple[list[Partition], int, int]:
    """Returns the partitions of all sources, and the number of files and bytes."""
    partitions: list[Partition] = []
    num_files = num_bytes = 0
    for name, source in dataset.named_sources().items():
        files = find_files(source)
        for ranges in split_ranges(files, source, block_bytes=block_bytes):
            partitions.append(Partition(len(partitions), name, ranges))
        num_files += len(files)
        num_bytes += sum(file.size for file in files)
    return partitions, num_files, num_bytes


def _index_evaluation(
    against: Mapping[str, Documents], dataset: DatasetConfig, scratch: ScratchDir
) -> str | None:
    """Writes the n-grams of protected documents; returns the path."""
    config = dataset.decontaminate
    if config is None:
        return None
    hashes = [np.zeros(0, np.uint64)]
    for name in config.against:
        other = against[name]
        splits = [split for split in other.splits if split != "train"]
        texts = (
            joined_text(document)
            for split in splits or ["train"]
            for document in other.read(split)
        )
        while batch := list(islice(texts, 1000)):
            hashes.append(np.unique(ngram_hashes(batch, config.ngrams).values))
    place = scratch.path("evaluation.npy")
    with uploading(place) as path:
        np.save(path, ngram_index(np.concatenate(hashes)))
    return place


def select_shards(
    parts: list[PartitionOutput],
    dataset: DatasetConfig,
    seed: int,
    scratch: ScratchDir,
) -> Iterator[Shard]:
    """Yields the shards of the selected documents, unless a worker had an error."""
    if has_errors(scratch):
        return
    with recording_errors(scratch, "select"):
        parts = sorted(parts, key=lambda part: part.number)
        _write_dead_letters(parts, dataset, scratch)
        _write_rejected(parts, scratch)
        selection = select(parts, dataset=dataset, scratch=scratch, seed=seed)
        outcome = {
            "facts": selection.facts,
            "ledger": selection.ledger,
            "records": selection.records,
        }
        with uploading(scratch.path(_OUTCOME)) as path:
            write_json(path, outcome)
        yield from selection.shards


def _write_dead_letters(
    parts: list[PartitionOutput], dataset: DatasetConfig, scratch: ScratchDir
) -> None:
    rejected = [letter for part in parts for letter in part.dead_letters]
    add_positions(rejected, dataset)
    place = scratch.path(Documents.DEAD_LETTERS)
    with uploading(place) as path, path.open("wb") as file:
        for letter in rejected:
            file.write(orjson.dumps(letter.entry, option=orjson.OPT_APPEND_NEWLINE))


def _write_rejected(parts: list[PartitionOutput], scratch: ScratchDir) -> None:
    """Writes the counts and some documents, for the case that they are refused."""
    with uploading(scratch.path(Documents.LEDGER)) as path:
        write_json(path, count_records(parts))
    lines = (line for part in parts for line in _first_lines(part))
    with (
        uploading(scratch.path(Documents.SAMPLE)) as path,
        path.open("wb") as sample,
    ):
        sample.writelines(islice(lines, _NUM_SAMPLED))


def _first_lines(part: PartitionOutput) -> Iterator[bytes]:
    with cached_path(part.spill).open("rb") as file:
        yield from islice(file, _NUM_SAMPLED)


def _keep_rejected(
    documents: Documents, scratch: ScratchDir, error: DataError, name: str
) -> DataError:
    """Moves the files about rejected data to the artifact; returns the error."""
    if not scratch.names(Documents.LEDGER):
        return error
    for file in Documents.KEPT_ON_FAILURE:
        shutil.copyfile(cached_path(scratch.path(file)), documents.path / file)
    if not (documents.path / Documents.DEAD_LETTERS).stat().st_size:
        return error
    command = f"`textmill data dead FILE {name}`"
    return DataError(f"{error}; {command} shows the bad records")


def _finish(documents: Documents, scratch: ScratchDir) -> None:
    outcome = json.loads(cached_path(scratch.path(_OUTCOME)).read_bytes())
    write_json(documents.file(Documents.LEDGER), outcome["ledger"])
    letters = cached_path(scratch.path(Documents.DEAD_LETTERS))
    shutil.move(letters, documents.file(Documents.DEAD_LETTERS))
    documents.facts |= outcome["facts"]
    documents.records |= outcome["records"]
    for name in outcome["records"]:
        scratch.download(documents.path, name)


def _check_within_reach(dataset: DatasetConfig, partitions: list[Partition]) -> None:
    """Refuses local files where workers do not share this machine's disk.

    Raises:
        ConfigError: a source or a list of words is a local file.
    """
    local_files = [str(path) for path in dataset.clean.quality.files]
    if dataset.augment is not None:
        local_files += map(str, external_files(dataset.augment))
    sources = dataset.named_sources()
    for partition in partitions:
        if not READERS[sources[partition.source].reader].is_installed:
            paths = [file_range.path for file_range in partition.ranges]
            local_files += [path for path in paths if not is_remote(path)]
    if local_files:
        raise ConfigError(
            "run.beam.temp_location: expected files that its workers can read, at "
            f"gs:// or s3://, got {local_files[0]}; copy it there, or remove "
            "temp_location if workers mount the root"
        )
