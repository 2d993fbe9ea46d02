"""Shards: the selected lines of one output file, gathered from spill files."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from textmill.components.artifacts import SPLITS, shard_name
from textmill.components.scratch import ScratchDir, cached_path, uploading
from textmill.components.shards import open_shard
from textmill.components.worker_errors import recording_errors

GATHERED_BYTES = 32 << 20
"""Lines in memory while a shard is written."""


@dataclass
class Shard:
    """The lines of one shard in order: spill file, offset and length of each."""

    name: str
    spills: list[str]
    part: np.ndarray
    offset: np.ndarray
    length: np.ndarray


def make_shards(rows: np.ndarray, spills: list[str], count: int) -> list[Shard]:
    """Returns the shards of the selected rows, lines in the order of their hashes."""
    shard = rows["id_low"] % np.uint64(count)
    place = rows["split"].astype(np.int64) * count + shard.astype(np.int64)
    rows = rows[np.lexsort((rows["id_low"], rows["id_high"], rows["order"], place))]
    ends = np.cumsum(np.bincount(place, minlength=len(SPLITS) * count))
    shards = []
    for number, group in enumerate(np.split(rows, ends[:-1])):
        split = number // count
        if not (place // count == split).any():
            continue
        used, part = np.unique(group["part"], return_inverse=True)
        shards.append(
            Shard(
                shard_name(SPLITS[split], number % count, count, "jsonl.zst"),
                [spills[index] for index in used],
                part.astype(np.uint32),
                group["offset"].copy(),
                group["length"].copy(),
            )
        )
    return shards


def write_shard(shard: Shard, scratch: ScratchDir, documents: Path) -> None:
    """Writes the lines of a shard in order; the bytes depend on them alone."""
    with (
        recording_errors(scratch, f"write-{shard.name}"),
        uploading(scratch.target(documents, shard.name)) as path,
        open_shard(path, size=int(shard.length.sum())) as writer,
    ):
        block = (np.cumsum(shard.length) - 1) // np.uint64(GATHERED_BYTES)
        edges = np.flatnonzero(np.diff(block)) + 1
        for positions in np.split(np.arange(len(block)), edges):
            if len(positions):
                writer.write(b"".join(_gather(shard, positions)))


def _gather(shard: Shard, positions: np.ndarray) -> list[bytes]:
    """Returns the lines at positions; opens every spill file once, one at a time."""
    parts = shard.part[positions]
    order = np.argsort(parts, kind="stable")
    lines = [b""] * len(positions)
    for group in np.split(order, np.flatnonzero(np.diff(parts[order])) + 1):
        begin = shard.offset[positions[group]]
        end = begin + shard.length[positions[group]]
        ranges = zip(group.tolist(), begin.tolist(), end.tolist(), strict=True)
        with (
            cached_path(shard.spills[int(parts[group[0]])]).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as spill,
        ):
            for i, low, high in ranges:
                lines[i] = spill[low:high]
    return lines
