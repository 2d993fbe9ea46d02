"""Selection: which documents stay, decided on their index alone.

Every rule is independent of how the files were cut into units of work.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from components.artifacts import SPLITS, shard_name
from components.ingester.config import DatasetConfig
from components.ingester.shaping import INDEX
from models.faults import DataError


@dataclass
class Part:
    """What one unit of work left behind: a spill file, its index, and counts."""

    number: int
    spill: str
    dead_letters: list[bytes]
    rows: np.ndarray
    labels: list[str]
    columns: set[str]
    num_read: int
    dropped: Counter[str]
    bad: Counter[str]
    examples: dict[str, str]


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


def select(parts: list[Part], *, dataset: DatasetConfig) -> Selection:
    """Decides on the parts, given in the order of their numbers.

    Raises:
        DataError: too many records are bad, none is good, train is empty, or a label is
            never seen in train.
    """
    names = sorted({label for part in parts for label in part.labels})
    rows = _join(parts, names)
    bad = sum((part.bad for part in parts), Counter())
    dropped = sum((part.dropped for part in parts), Counter())
    num_read = sum(part.num_read for part in parts) + bad.total()
    _check_bad(parts, bad, num_read, dataset)
    rows = _survivors(rows, dropped, dataset)
    counts = np.bincount(rows["split"], minlength=len(SPLITS))
    kept = {name: int(n) for name, n in zip(SPLITS, counts, strict=True) if n}
    ledger = {
        "read": num_read,
        "kept": kept,
        "dropped": dict(sorted(dropped.items())),
        "bad": dict(sorted(bad.items())),
    }
    assert num_read == len(rows) + dropped.total() + bad.total(), ledger
    _check_kept(rows, ledger, dataset)
    facts = {
        "splits": kept,
        "labels": _labels_of_train(rows, names),
        "columns": sorted(set().union(*(part.columns for part in parts))),
        "text_bytes": {
            name: int(rows["text_bytes"][rows["split"] == SPLITS.index(name)].sum())
            for name in kept
        },
    }
    shards = _shards(rows, [part.spill for part in parts], dataset.num_shards)
    records = {shard.name: len(shard.length) for shard in shards}
    return Selection(shards, facts, ledger, records)


def _join(parts: list[Part], names: list[str]) -> np.ndarray:
    codes = {name: code for code, name in enumerate(names)}
    for number, part in enumerate(parts):
        part.rows["part"] = number
        if part.labels:
            table = np.array([codes[name] for name in part.labels], np.int32)
            part.rows["label"] = table[part.rows["label"]]
    return np.concatenate([np.zeros(0, INDEX), *(part.rows for part in parts)])


def _survivors(
    rows: np.ndarray, dropped: Counter[str], dataset: DatasetConfig
) -> np.ndarray:
    """Drops repeated ids, then repeated texts, then what is over the limit."""
    order = np.lexsort((rows["id_low"], rows["id_high"]))  # stable: files in order
    gone = _repeats(rows, order, "id_high", "id_low")
    rows = _drop(rows, gone, dropped, "duplicate_id")
    if dataset.clean.dedup == "exact":
        keys = ("id_low", "id_high", "text_low", "text_high")
        order = np.lexsort([rows[key] for key in keys])
        gone = _repeats(rows, order, "text_high", "text_low")
        rows = _drop(rows, gone, dropped, "duplicate_text")
    limit = dataset.source.limit_per_label
    if limit is not None:
        keys = ("id_low", "id_high", "order", "label")
        order = np.lexsort([rows[key] for key in keys])
        first = np.flatnonzero(~_repeats(rows, order, "label")[order])
        sizes = np.diff([*first, len(rows)])
        rank = np.arange(len(rows)) - np.repeat(first, sizes)
        gone = np.zeros(len(rows), bool)
        gone[order] = rank >= limit
        rows = _drop(rows, gone, dropped, "over_label_limit")
    return rows


def _repeats(rows: np.ndarray, order: np.ndarray, *keys: str) -> np.ndarray:
    """Marks the rows that agree in all keys with the one before them in this order."""
    same = np.ones(max(len(rows) - 1, 0), bool)
    for key in keys:
        values = rows[key][order]
        same &= values[1:] == values[:-1]
    marks = np.zeros(len(rows), bool)
    marks[order[1:][same]] = True
    return marks


def _drop(
    rows: np.ndarray, gone: np.ndarray, dropped: Counter[str], reason: str
) -> np.ndarray:
    if gone.any():
        dropped[reason] += int(gone.sum())
    return rows[~gone]


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
    seen = set(np.unique(rows["label"][rows["split"] == train]).tolist()) - {-1}
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
    parts: list[Part], bad: Counter[str], num_read: int, dataset: DatasetConfig
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
            f"{', '.join(dataset.source.patterns)}"
            f"{f' (dropped: {dropped})' if dropped else ''}; look at the source"
        )
    if "train" not in ledger["kept"]:
        raise DataError(
            f"split train: expected documents, got none of {len(rows)} kept; "
            "give it a larger share or split by a column with more values"
        )
