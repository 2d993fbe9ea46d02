"""Choosing: the rules by which documents stay, change or appear again, in their order.

They look at the index; the lines of documents are read where a rule says so.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from textmill.components.artifacts import SPLITS
from textmill.components.ingester.augment import Augmenter
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.dedup.clusters import (
    draw_splits,
    find_clusters,
    heads,
    precedence,
)
from textmill.components.ingester.dedup.passages import WINDOWS, cut, repeated
from textmill.components.ingester.partitions import PartitionOutput
from textmill.components.ingester.sampling.mixing import copies, reorder
from textmill.components.ingester.spill_files import Edit, SpillFiles, rewrite
from textmill.components.scratch import ScratchDir, local


class SelectionRules:
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

    def make(self, parts: list[PartitionOutput], exchange: ScratchDir | None) -> None:
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

    def _cut_repeats(
        self, parts: list[PartitionOutput], edits: dict[int, list[Edit]]
    ) -> None:
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
        with SpillFiles(self.spills) as spills:
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

    def _augment(self, augmenter: Augmenter, exchange: ScratchDir) -> None:
        """Adds changed copies to train; one that came out the same is left out."""
        config = self._dataset.augment
        assert config is not None
        train = np.flatnonzero(self.rows["split"] == SPLITS.index("train"))
        with SpillFiles(self.spills) as spills:
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

    def _mix(self, exchange: ScratchDir) -> None:
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
