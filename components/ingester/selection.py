"""Selects documents: those that stay, change or repeat, as shards, facts and a ledger.

Rules read the index, and the lines of documents only where they need the texts. Nothing
depends on the partitions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from textmill.components.artifacts import SPLITS
from textmill.components.ingester.augment import Augmenter
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.dedup.clusters import (
    draw_splits,
    find_clusters,
    keep_order,
    representatives,
)
from textmill.components.ingester.dedup.passages import WINDOWS, cut, repeated
from textmill.components.ingester.documents import INDEX, duplicates
from textmill.components.ingester.partitions import PartitionOutput
from textmill.components.ingester.refusals import (
    check_bad,
    check_ids,
    check_kept,
    check_targets,
)
from textmill.components.ingester.sampling.label_limit import over_label_limit
from textmill.components.ingester.sampling.mixing import copies, reorder
from textmill.components.ingester.sampling.splitting import draw_eval, fold_test
from textmill.components.ingester.shard_writer import Shard, make_shards
from textmill.components.ingester.spill_files import Edit, SpillFiles, rewrite
from textmill.components.scratch import ScratchDir, cached_path
from textmill.models.errors import DataError


@dataclass
class Selection:
    """The shards of an artifact, with its facts and counts."""

    shards: list[Shard] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    ledger: dict[str, Any] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)


def select(
    parts: list[PartitionOutput],
    *,
    dataset: DatasetConfig,
    scratch: ScratchDir | None = None,
    seed: int = 17,
) -> Selection:
    """Selects documents from the outputs of all partitions, in their order.

    Args:
        parts: the outputs of the partitions.
        dataset: its config.
        scratch: the folder for lines that change.
        seed: of random choices.

    Raises:
        DataError: too many records are bad, none is good, train is empty, or a label
            does not occur in train.
    """
    names = sorted({label for part in parts for label in part.labels})
    rows = _load_index(parts, names)
    counts = count_records(parts)
    check_bad(parts, counts, dataset)
    check_targets(parts, rows, dataset)
    spills = [part.spill for part in parts]
    dropped = Counter(counts["dropped"])
    rules = SelectionRules(rows, spills, dataset, dropped, seed, names)
    rules.apply(parts, scratch)
    ledger = _make_ledger(parts, rules, counts)
    check_kept(rules.rows, ledger, dataset)
    shards = make_shards(rules.rows, rules.spills, dataset.num_shards)
    records = {shard.name: len(shard.length) for shard in shards}
    facts = _make_facts(parts, rules, names, dataset.target)
    if dataset.num_texts > 1:
        facts["texts"] = dataset.num_texts
    return Selection(shards, facts, ledger, records)


def count_records(parts: list[PartitionOutput]) -> dict[str, Any]:
    """Returns the counts of records read, and of those dropped and bad by reason."""
    bad = _total(part.bad for part in parts)
    dropped = _total(part.dropped for part in parts)
    return {
        "read": sum(part.num_read for part in parts) + bad.total(),
        "dropped": dict(sorted(dropped.items())),
        "bad": dict(sorted(bad.items())),
    }


def _make_ledger(
    parts: list[PartitionOutput], rules: SelectionRules, counts: dict[str, Any]
) -> dict[str, Any]:
    """Returns the counts of read, kept, dropped, bad, added and changed documents."""
    rows, dropped = rules.rows, rules.dropped
    ledger = {
        **counts,
        "kept": _count_splits(rows),
        "dropped": dict(sorted(dropped.items())),
    }
    further = {
        "unlabelled": _count_unlabelled(rows, rules.target),
        "added": rules.added,
        "cut": _total(part.removed for part in parts) + rules.removed,
        "personal": _total(part.personal for part in parts),
    }
    ledger |= {name: dict(sorted(n.items())) for name, n in further.items() if n}
    num_input = counts["read"] + rules.added.total()
    num_bad = sum(counts["bad"].values())
    assert num_input == len(rows) + dropped.total() + num_bad, ledger
    return ledger


def _make_facts(
    parts: list[PartitionOutput],
    rules: SelectionRules,
    names: list[tuple[str, ...]],
    target: str,
) -> dict[str, Any]:
    rows, splits = rules.rows, _count_splits(rules.rows)
    columns = set().union(*(part.columns for part in parts))
    # Without target and with a label, facts have the form of before there were kinds.
    kind = {} if target in ("none", "label") else {"target": target}
    return kind | {
        "splits": splits,
        "labels": _labels_of_train(rows, names),
        "columns": sorted(columns | rules.columns),
        "text_bytes": {
            name: int(rows["text_bytes"][rows["split"] == SPLITS.index(name)].sum())
            for name in splits
        },
    }


def _count_splits(rows: np.ndarray) -> dict[str, int]:
    counts = np.bincount(rows["split"], minlength=len(SPLITS))
    return {name: int(n) for name, n in zip(SPLITS, counts, strict=True) if n}


def _count_unlabelled(rows: np.ndarray, target: str) -> dict[str, int]:
    """Returns the kept documents without a target, by split."""
    return {} if target == "none" else _count_splits(rows[~rows["labelled"]])


class SelectionRules:
    """Applies the rules in order, each to the rows that the rules before it left."""

    def __init__(
        self,
        rows: np.ndarray,
        spills: list[str],
        dataset: DatasetConfig,
        dropped: Counter[str],
        seed: int,
        names: Sequence[tuple[str, ...]] = (),
    ) -> None:
        self.rows, self.spills, self._dataset = rows, spills, dataset
        self.dropped, self._seed, self._names = dropped, seed, names
        self.target = dataset.target
        self.removed: Counter[str] = Counter()
        self.added: Counter[str] = Counter()
        self.columns: set[str] = set()
        self._by_source = dataset.split.by == "source"

    def apply(self, parts: list[PartitionOutput], scratch: ScratchDir | None) -> None:
        """Applies the rules; without a scratch folder, none that changes lines."""
        rows = self.rows
        order = np.lexsort((rows["id_low"], rows["id_high"]))  # stable: in file order
        repeated_ids = duplicates(rows, order, "id_high", "id_low")
        check_ids(rows, self.spills, order, repeated_ids, self._dataset.limits)
        self._drop(repeated_ids, "duplicate_id")
        if self._by_source:
            draw_eval(self.rows, self._dataset.split.shares[1])
        decontaminate = self._dataset.decontaminate
        if decontaminate is not None and decontaminate.action == "drop":
            self._drop(self.rows["contaminated"], "contaminated")
        edits: dict[int, list[Edit]] = {}
        if self._dataset.clean.dedup != "none":
            self._drop_equal_texts()
        if self._dataset.clean.dedup == "near":
            bands = [part.near for part in parts]
            self._handle_near([path for path in bands if path], edits)
        if decontaminate is not None and decontaminate.action == "tag":
            self._tag_contaminated(edits)
        if self._dataset.clean.repeated_passages != "keep":
            self._remove_repeats(parts, edits)
        if edits and scratch is not None:
            place = scratch.path("lines-edited")
            rewrite(self.rows, self.spills, edits, place)
            self._drop_short(edits)
        self._limit_labels()
        if self._dataset.split.is_by_size:
            fold_test(self.rows)
        if self._dataset.labels.rare != "fail":
            self._handle_rare_labels()
        if self._dataset.sources and scratch is not None:
            self._mix(scratch)
        if self._dataset.augment is not None and scratch is not None:
            self._augment(Augmenter(self._dataset.augment, seed=self._seed), scratch)

    def _drop(self, mask: np.ndarray, reason: str) -> None:
        if mask.any():
            self.dropped[reason] += int(mask.sum())
            self.rows = self.rows[~mask]

    def _tag_contaminated(self, edits: dict[int, list[Edit]]) -> None:
        for index in np.flatnonzero(self.rows["contaminated"]).tolist():
            edits.setdefault(index, []).append(
                lambda _, document: document.update(contaminated=True)
            )
            self.columns.add("contaminated")

    def _drop_equal_texts(self) -> None:
        rows = self.rows
        clean = self._dataset.clean
        if clean.dedup == "near" and clean.near.action == "tag":
            return
        rule = keep_order(rows, by_split=self._by_source)
        order = np.lexsort((*rule, rows["text_low"], rows["text_high"]))
        self._drop(duplicates(rows, order, "text_high", "text_low"), "duplicate_text")

    def _handle_near(self, bands: list[str], edits: dict[int, list[Edit]]) -> None:
        config, rows = self._dataset.clean.near, self.rows
        clusters = find_clusters(rows, bands, self.spills, config)
        labels = clusters.labels
        chosen = representatives(rows, labels, by_split=self._by_source)
        if config.action == "drop":
            self._drop(chosen != np.arange(len(rows)), "near_duplicate")
            return
        sizes = np.bincount(labels, minlength=len(rows))[labels]
        names = rows["id_high"][chosen]
        for index in np.flatnonzero(sizes > 1).tolist():
            name = f"{int(names[index]):016x}"
            edits.setdefault(index, []).append(
                lambda _, document, name=name: document.update(cluster=name)
            )
            self.columns.add("cluster")
        if self._by_source:
            in_other_split = rows["split"] != rows["split"][chosen]
            indices = np.cumsum(~in_other_split) - 1
            moved = {
                int(indices[i]): e for i, e in edits.items() if not in_other_split[i]
            }
            edits.clear()
            edits.update(moved)
            self._drop(in_other_split, "near_duplicate")
        else:
            draw_splits(rows, clusters)

    def _remove_repeats(
        self, parts: list[PartitionOutput], edits: dict[int, list[Edit]]
    ) -> None:
        unit = self._dataset.clean.repeated_passages
        assert unit != "keep"
        rows = self.rows
        hashes, positions, owners = load_spans(rows, [part.spans for part in parts])
        ranks = np.empty(len(rows), np.int64)
        by_hash = np.lexsort((rows["id_low"], rows["id_high"], rows["order"]))
        ranks[by_hash] = np.arange(len(rows))
        marks = repeated(hashes, ranks[owners], positions, width=WINDOWS[unit])
        by_owner: dict[int, list[int]] = {}
        for owner, position in zip(
            owners[marks].tolist(), positions[marks].tolist(), strict=True
        ):
            by_owner.setdefault(owner, []).append(position)

        def shorten(index: int, document: dict[str, Any]) -> None:
            text, count = cut(document["text"], by_owner[index], unit)
            document["text"] = text
            self.removed[f"repeated_{unit}"] += count

        for owner in by_owner:
            edits.setdefault(owner, []).append(shorten)

    def _drop_short(self, edits: dict[int, list[Edit]]) -> None:
        """Drops edited documents that have become too short."""
        least = max(self._dataset.clean.min_chars, 1)
        mask = np.zeros(len(self.rows), bool)
        with SpillFiles(self.spills) as spills:
            for index in edits:
                text = spills.document(self.rows[index])["text"]
                mask[index] = len(text.strip()) < least
        self._drop(mask, "repeated")

    def _limit_labels(self) -> None:
        sources = self._dataset.named_sources().values()
        for number, source in enumerate(sources):
            if (limit := source.limit_per_label) is not None:
                mask = over_label_limit(self.rows, number, limit)
                self._drop(mask, "over_label_limit")

    def _handle_rare_labels(self) -> None:
        """Moves or drops the documents of labels that train does not have."""
        rows = self.rows
        is_train = rows["split"] == SPLITS.index("train")
        learned = set(_count_labels(rows[is_train], self._names))
        is_rare = np.array([not learned.issuperset(names) for names in self._names])
        has_labels = rows["label"] >= 0
        mask = np.zeros(len(rows), bool)
        mask[has_labels] = is_rare[rows["label"][has_labels]]
        if self._dataset.labels.rare == "drop":
            self._drop(mask, "rare_label")
        else:
            groups = np.unique(rows["group"][mask])
            rows["split"][np.isin(rows["group"], groups)] = SPLITS.index("train")

    def _augment(self, augmenter: Augmenter, scratch: ScratchDir) -> None:
        """Adds changed copies to train; copies equal to their original are left out."""
        config = self._dataset.augment
        assert config is not None
        is_train = self.rows["split"] == SPLITS.index("train")
        train = np.flatnonzero(is_train & self.rows["labelled"])
        with SpillFiles(self.spills) as spills:
            originals = [spills.document(self.rows[index]) for index in train]
        texts = [document["text"] for document in originals]
        names = [document["id"] for document in originals]
        sources, changed = [], []
        for copy in range(1, config.copies + 1):
            for i, text in enumerate(augmenter.augment_batch(texts, names, copy)):
                if text != texts[i]:
                    sources.append(train[i])
                    changed.append((f"{names[i]}~{copy}", text, copy))
        rows = self.rows[np.array(sources, np.int64)]
        rows["order"] = reorder(rows["order"], np.array([c for *_, c in changed], int))

        def change(index: int, document: dict[str, Any]) -> None:
            document["id"], document["text"], _ = changed[index]

        edits: dict[int, list[Edit]] = {i: [change] for i in range(len(rows))}
        rewrite(rows, self.spills, edits, scratch.path("lines-augmented"))
        self.added["augmented"] = len(rows)
        self.rows = np.concatenate([self.rows, rows])

    def _mix(self, scratch: ScratchDir) -> None:
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
            rewrite(rows, self.spills, edits, scratch.path("lines-repeated"))
        self.rows = rows


def load_spans(
    rows: np.ndarray, paths: list[str | None]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns hash, position and row number of every span of rows; each [m]."""
    columns: list[tuple[np.ndarray, ...]] = []
    edges = np.searchsorted(rows["part"], np.arange(len(paths) + 1))
    for path, begin, end in zip(paths, edges[:-1], edges[1:], strict=True):
        assert path is not None
        with np.load(cached_path(path)) as spans:
            hashes, positions, splits = (
                spans[name] for name in ("hashes", "positions", "splits")
            )
        numbers = rows["number"][begin:end]
        sizes = splits[numbers + 1] - splits[numbers]
        owner = np.repeat(np.arange(begin, end), sizes)
        inside = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        chosen = np.repeat(splits[numbers], sizes) + inside
        columns.append((hashes[chosen], positions[chosen], owner))
    return tuple(np.concatenate(column) for column in zip(*columns, strict=True))  # type: ignore[return-value]


def _total(counts: Iterable[Counter[str]]) -> Counter[str]:
    return sum(counts, Counter())


def _load_index(
    parts: list[PartitionOutput], names: list[tuple[str, ...]]
) -> np.ndarray:
    codes = {name: code for code, name in enumerate(names)}
    indexes = [np.zeros(0, INDEX)]
    for number, part in enumerate(parts):
        rows = np.load(cached_path(part.index))
        rows["part"] = number
        if part.labels:
            table = np.array([codes[name] for name in part.labels], np.int32)
            has_labels = rows["label"] >= 0
            rows["label"][has_labels] = table[rows["label"][has_labels]]
        indexes.append(rows)
    return np.concatenate(indexes)


def _labels_of_train(rows: np.ndarray, names: list[tuple[str, ...]]) -> list[str]:
    """Returns the labels of train, sorted; checks that no other label is used."""
    train = SPLITS.index("train")
    is_train = rows["split"] == train
    if not is_train.any():
        is_train[:] = True
    learned = set(_count_labels(rows[is_train], names))
    for split, split_name in enumerate(SPLITS):
        counts = _count_labels(rows[rows["split"] == split], names)
        for label in sorted(set(counts) - learned):
            raise DataError(
                f"split {split_name}: label {label!r} has {counts[label]} documents "
                "there and none in train; add documents of it, split by another "
                "column, or let labels.rare move them to train or drop them"
            )
    return sorted(learned)


def _count_labels(rows: np.ndarray, names: Sequence[tuple[str, ...]]) -> Counter[str]:
    """Returns the documents of each label; one with several counts for each."""
    counts: Counter[str] = Counter()
    codes, numbers = np.unique(rows["label"][rows["label"] >= 0], return_counts=True)
    for code, number in zip(codes.tolist(), numbers.tolist(), strict=True):
        counts.update(dict.fromkeys(names[code], number))
    return counts
