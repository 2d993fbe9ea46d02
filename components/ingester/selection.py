"""Selection: which documents stay, decided on their index alone.

Every rule is independent of how the files were cut into units of work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from components.artifacts import SPLITS, shard_name
from components.exchange import Exchange, local
from components.ingester.augmentation import Augmenter
from components.ingester.clustering import (
    draw_splits,
    find_clusters,
    heads,
    precedence,
)
from components.ingester.config import DatasetConfig
from components.ingester.editing import Edit, Spills, rewrite
from components.ingester.mixing import copies, reorder
from components.ingester.shaping import INDEX
from components.ingester.spans import WINDOWS, cut, repeated
from models.faults import DataError


@dataclass
class Part:
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
    parts: list[Part],
    *,
    dataset: DatasetConfig,
    exchange: Exchange | None = None,
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
    choice = Choice(rows, [part.spill for part in parts], dataset, dropped, seed)
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


def _join(parts: list[Part], names: list[str]) -> np.ndarray:
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


class Choice:
    """The rules, one after the other, on the rows that are left."""

    def __init__(
        self,
        rows: np.ndarray,
        spills: list[str],
        dataset: DatasetConfig,
        dropped: Counter[str],
        seed: int,
    ) -> None:
        self.rows, self.spills, self._dataset = rows, spills, dataset
        self.dropped, self._seed = dropped, seed
        self.cut: Counter[str] = Counter()
        self.added: Counter[str] = Counter()
        self.columns: set[str] = set()
        self._by_source = dataset.split.by == "source"

    def make(self, parts: list[Part], exchange: Exchange | None) -> None:
        """Applies the rules."""
        rows = self.rows
        order = np.lexsort((rows["id_low"], rows["id_high"]))  # stable: files in order
        self._drop(_repeats(rows, order, "id_high", "id_low"), "duplicate_id")
        if self._by_source:
            self._share_out_eval()
        decontaminate = self._dataset.decontaminate
        if decontaminate is not None and decontaminate.action == "drop":
            self._drop(self.rows["contaminated"], "contaminated")
        edits: dict[int, list[Edit]] = {}
        if self._dataset.clean.dedup != "none":
            self._drop_same_texts()
        if self._dataset.clean.dedup == "near":
            bands = [part.near for part in parts]
            self._handle_near([place for place in bands if place], edits)
        if decontaminate is not None and decontaminate.action == "tag":
            self._tag_contaminated(edits)
        if self._dataset.clean.repeats != "keep":
            self._cut_repeats(parts, edits)
        if edits and exchange is not None:
            place = exchange.place("lines-edited")
            rewrite(self.rows, self.spills, edits, place)
            self._drop_short(edits)
        self._limit()
        if self._dataset.sources and exchange is not None:
            self._mix(exchange)
        if self._dataset.augment is not None and exchange is not None:
            self._augment(Augmenter(self._dataset.augment, seed=self._seed), exchange)

    def _drop(self, gone: np.ndarray, reason: str) -> None:
        if gone.any():
            self.dropped[reason] += int(gone.sum())
            self.rows = self.rows[~gone]

    def _share_out_eval(self) -> None:
        rows, config = self.rows, self._dataset.split
        if (rows["split"] == SPLITS.index("eval")).any():
            return
        draw = (rows["order"] >> np.uint64(11)) * 2.0**-53
        moved = (rows["split"] == SPLITS.index("train")) & (draw < config.eval)
        rows["split"][moved] = SPLITS.index("eval")

    def _tag_contaminated(self, edits: dict[int, list[Edit]]) -> None:
        for index in np.flatnonzero(self.rows["contaminated"]).tolist():
            edits.setdefault(index, []).append(
                lambda _, document: document.update(contaminated=True)
            )
            self.columns.add("contaminated")

    def _drop_same_texts(self) -> None:
        rows = self.rows
        if self._dataset.clean.near.action == "tag" and self._dataset.clean.dedup == (
            "near"
        ):
            return
        rule = precedence(rows, by_split=self._by_source)
        order = np.lexsort((*rule, rows["text_low"], rows["text_high"]))
        self._drop(_repeats(rows, order, "text_high", "text_low"), "duplicate_text")

    def _handle_near(self, bands: list[str], edits: dict[int, list[Edit]]) -> None:
        config, rows = self._dataset.clean.near, self.rows
        clusters = find_clusters(rows, bands, self.spills, config)
        labels = clusters.labels()
        stays = heads(rows, labels, by_split=self._by_source)
        if config.action == "drop":
            self._drop(stays != np.arange(len(rows)), "near_duplicate")
            return
        sizes = np.bincount(labels, minlength=len(rows))[labels]
        names = rows["id_high"][stays]
        for index in np.flatnonzero(sizes > 1).tolist():
            name = f"{int(names[index]):016x}"
            edits.setdefault(index, []).append(
                lambda _, document, name=name: document.update(cluster=name)
            )
            self.columns.add("cluster")
        if self._by_source:
            astray = rows["split"] != rows["split"][stays]
            kept = np.cumsum(~astray) - 1
            moved = {int(kept[i]): e for i, e in edits.items() if not astray[i]}
            edits.clear()
            edits.update(moved)
            self._drop(astray, "near_duplicate")
        else:
            draw_splits(rows, clusters)

    def _cut_repeats(self, parts: list[Part], edits: dict[int, list[Edit]]) -> None:
        unit = self._dataset.clean.repeats
        assert unit != "keep"
        rows = self.rows
        hashes, positions, owners = spans_of(rows, [part.spans for part in parts])
        ranks = np.empty(len(rows), np.int64)
        by_hash = np.lexsort((rows["id_low"], rows["id_high"], rows["order"]))
        ranks[by_hash] = np.arange(len(rows))
        marks = repeated(hashes, ranks[owners], positions, width=WINDOWS[unit])
        places: dict[int, list[int]] = {}
        for owner, position in zip(
            owners[marks].tolist(), positions[marks].tolist(), strict=True
        ):
            places.setdefault(owner, []).append(position)

        def shorten(index: int, document: dict[str, Any]) -> None:
            text, count = cut(document["text"], places[index], unit)
            document["text"] = text
            self.cut[f"repeated_{unit}"] += count

        for owner in places:
            edits.setdefault(owner, []).append(shorten)

    def _drop_short(self, edits: dict[int, list[Edit]]) -> None:
        """Drops what the cuts have left too little of."""
        least = max(self._dataset.clean.min_chars, 1)
        gone = np.zeros(len(self.rows), bool)
        with Spills(self.spills) as spills:
            for index in edits:
                text = spills.document(self.rows[index])["text"]
                gone[index] = len(text.strip()) < least
        self._drop(gone, "repeated")

    def _limit(self) -> None:
        limits = [s.limit_per_label for s in self._dataset.named_sources().values()]
        for code, limit in enumerate(limits):
            if limit is None:
                continue
            rows = self.rows
            of_source = np.flatnonzero(rows["source"] == code)
            some = rows[of_source]
            keys = ("id_low", "id_high", "order", "label")
            order = np.lexsort([some[key] for key in keys])
            first = np.flatnonzero(~_repeats(some, order, "label")[order])
            sizes = np.diff([*first, len(some)])
            rank = np.arange(len(some)) - np.repeat(first, sizes)
            gone = np.zeros(len(rows), bool)
            gone[of_source[order]] = rank >= limit
            self._drop(gone, "over_label_limit")

    def _augment(self, augmenter: Augmenter, exchange: Exchange) -> None:
        """Adds changed copies to train; one that came out the same is left out."""
        config = self._dataset.augment
        assert config is not None
        train = np.flatnonzero(self.rows["split"] == SPLITS.index("train"))
        with Spills(self.spills) as spills:
            originals = [spills.document(self.rows[index]) for index in train]
        texts = [document["text"] for document in originals]
        names = [document["id"] for document in originals]
        sources, changed = [], []
        for copy in range(1, config.copies + 1):
            for place, text in enumerate(augmenter.augment_batch(texts, names, copy)):
                if text != texts[place]:
                    sources.append(train[place])
                    changed.append((f"{names[place]}~{copy}", text, copy))
        rows = self.rows[np.array(sources, np.int64)]
        rows["order"] = reorder(rows["order"], np.array([c for *_, c in changed], int))

        def change(index: int, document: dict[str, Any]) -> None:
            document["id"], document["text"], _ = changed[index]

        edits: dict[int, list[Edit]] = {i: [change] for i in range(len(rows))}
        rewrite(rows, self.spills, edits, exchange.place("lines-augmented"))
        self.added["augmented"] = len(rows)
        self.rows = np.concatenate([self.rows, rows])

    def _mix(self, exchange: Exchange) -> None:
        used = copies(self.rows, self._dataset)
        self._drop(used == 0, "mixture")
        used = used[used > 0]
        copy = np.arange(used.sum()) - np.repeat(np.cumsum(used) - used, used)
        rows = np.repeat(self.rows, used)
        again = np.flatnonzero(copy)
        if len(again):
            rows["order"][again] = reorder(rows["order"][again], copy[again])
            self.added["repeated"] = len(again)

            def number(index: int, document: dict[str, Any]) -> None:
                document["id"] = f"{document['id']}#{copy[index] + 1}"

            edits = {index: [number] for index in again.tolist()}
            rewrite(rows, self.spills, edits, exchange.place("lines-repeated"))
        self.rows = rows


def spans_of(
    rows: np.ndarray, places: list[str | None]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns hashes and positions of the spans of rows, and which row has each."""
    found: list[tuple[np.ndarray, ...]] = []
    edges = np.searchsorted(rows["part"], np.arange(len(places) + 1))
    for place, begin, end in zip(places, edges[:-1], edges[1:], strict=True):
        assert place is not None
        with np.load(local(place)) as spans:
            hashes, positions, splits = (
                spans[name] for name in ("hashes", "positions", "splits")
            )
        numbers = rows["number"][begin:end]
        sizes = splits[numbers + 1] - splits[numbers]
        owner = np.repeat(np.arange(begin, end), sizes)
        inside = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        at = np.repeat(splits[numbers], sizes) + inside
        found.append((hashes[at], positions[at], owner))
    return tuple(np.concatenate(column) for column in zip(*found, strict=True))  # type: ignore[return-value]


def _repeats(rows: np.ndarray, order: np.ndarray, *keys: str) -> np.ndarray:
    """Marks the rows that agree in all keys with the one before them in this order."""
    same = np.ones(max(len(rows) - 1, 0), bool)
    for key in keys:
        values = rows[key][order]
        same &= values[1:] == values[:-1]
    marks = np.zeros(len(rows), bool)
    marks[order[1:][same]] = True
    return marks


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
