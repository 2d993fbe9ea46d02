"""Selection: the index of all documents becomes shards, facts and a ledger.

Nothing depends on how the files were cut into units of work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from textmill.components.artifacts import SPLITS, shard_name
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.index import INDEX
from textmill.components.ingester.partitions import PartitionOutput
from textmill.components.ingester.selection_rules import SelectionRules
from textmill.components.scratch import ScratchDir, local
from textmill.models.errors import DataError


@dataclass
class Shard:
    """The lines of one shard in order: spill file, offset and length of each."""

    name: str
    spills: list[str]
    part: np.ndarray
    offset: np.ndarray
    length: np.ndarray


@dataclass
class Selection:
    """What goes where, and the facts and counts about it."""

    shards: list[Shard] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    ledger: dict[str, Any] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)


def select(
    parts: list[PartitionOutput],
    *,
    dataset: DatasetConfig,
    exchange: ScratchDir | None = None,
    seed: int = 17,
) -> Selection:
    """Decides on the parts, given in the order of their numbers.

    Args:
        parts: what the units of work left behind.
        dataset: what the user says of it.
        exchange: where lines that change are written anew.
        seed: of what is drawn.

    Raises:
        DataError: too many records are bad, none is good, train is empty, or a label is
            never seen in train.
    """
    names = sorted({label for part in parts for label in part.labels})
    rows = _join(parts, names)
    bad = _total(part.bad for part in parts)
    dropped = _total(part.dropped for part in parts)
    num_read = sum(part.num_read for part in parts) + bad.total()
    _check_bad(parts, bad, num_read, dataset)
    choice = SelectionRules(
        rows, [part.spill for part in parts], dataset, dropped, seed
    )
    choice.make(parts, exchange)
    rows, num_added = choice.rows, choice.added.total()
    counts = np.bincount(rows["split"], minlength=len(SPLITS))
    kept = {name: int(n) for name, n in zip(SPLITS, counts, strict=True) if n}
    ledger = {
        "read": num_read,
        "kept": kept,
        "dropped": dict(sorted(dropped.items())),
        "bad": dict(sorted(bad.items())),
    }
    further = {
        "added": choice.added,
        "cut": _total(part.cut for part in parts) + choice.cut,
        "personal": _total(part.personal for part in parts),
    }
    ledger |= {name: dict(sorted(n.items())) for name, n in further.items() if n}
    assert num_read + num_added == len(rows) + dropped.total() + bad.total(), ledger
    _check_kept(rows, ledger, dataset)
    columns = set().union(*(part.columns for part in parts))
    facts = {
        "splits": kept,
        "labels": _labels_of_train(rows, names),
        "columns": sorted(columns | choice.columns),
        "text_bytes": {
            name: int(rows["text_bytes"][rows["split"] == SPLITS.index(name)].sum())
            for name in kept
        },
    }
    shards = _shards(rows, choice.spills, dataset.num_shards)
    records = {shard.name: len(shard.length) for shard in shards}
    return Selection(shards, facts, ledger, records)


def _total(counts: Iterable[Counter[str]]) -> Counter[str]:
    return sum(counts, Counter())


def _join(parts: list[PartitionOutput], names: list[str]) -> np.ndarray:
    codes = {name: code for code, name in enumerate(names)}
    found = [np.zeros(0, INDEX)]
    for number, part in enumerate(parts):
        rows = np.load(local(part.index))
        rows["part"] = number
        if part.labels:
            table = np.array([codes[name] for name in part.labels], np.int32)
            rows["label"] = table[rows["label"]]
        found.append(rows)
    return np.concatenate(found)


def _shards(rows: np.ndarray, spills: list[str], count: int) -> list[Shard]:
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


def _labels_of_train(rows: np.ndarray, names: list[str]) -> list[str]:
    """Returns the labels of train, sorted, having checked that no other is used."""
    train = SPLITS.index("train")
    learned = rows["split"] == train
    if not learned.any():
        learned[:] = True
    seen = set(np.unique(rows["label"][learned]).tolist()) - {-1}
    for split, name in enumerate(SPLITS):
        codes, counts = np.unique(
            rows["label"][rows["split"] == split], return_counts=True
        )
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            if code not in seen and code != -1:
                raise DataError(
                    f"split {name}: label {names[code]!r} has {count} documents there "
                    "and none in train; add documents of it or split by another column"
                )
    return [names[code] for code in sorted(seen)]


def _check_bad(
    parts: list[PartitionOutput],
    bad: Counter[str],
    num_read: int,
    dataset: DatasetConfig,
) -> None:
    allowed = dataset.limits.max_bad_fraction
    if not bad or bad.total() <= allowed * num_read:
        return
    reason = min(bad, key=lambda name: (-bad[name], name))
    example = next(p.examples[reason] for p in parts if reason in p.examples)
    raise DataError(
        f"{bad.total()} of {num_read} records are bad, more than "
        f"limits.max_bad_fraction ({allowed:g}) allows; most often {reason} "
        f"({bad[reason]} times), first at {example}"
    )


def _check_kept(
    rows: np.ndarray, ledger: dict[str, Any], dataset: DatasetConfig
) -> None:
    dropped = ", ".join(f"{n} {reason}" for reason, n in ledger["dropped"].items())
    if not len(rows):
        raise DataError(
            f"no document is left of the {ledger['read']} records in "
            f"{_patterns(dataset)}"
            f"{f' (dropped: {dropped})' if dropped else ''}; look at the source"
        )
    if "train" not in ledger["kept"] and dataset.split.train:
        raise DataError(
            f"split train: expected documents, got none of {len(rows)} kept; "
            "give it a larger share or split by a column with more values"
        )


def _patterns(dataset: DatasetConfig) -> str:
    sources = dataset.named_sources().values()
    return ", ".join(pattern for source in sources for pattern in source.patterns)
