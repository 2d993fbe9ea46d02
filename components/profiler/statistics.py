"""Statistics of documents: a shard is counted at a time, and shards add up."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from textmill.components.artifacts import SPLITS
from textmill.components.profiler.columns import Column, add_columns
from textmill.components.profiler.sketches import (
    BottomKSketch,
    LengthHistogram,
    TopTerms,
)
from textmill.components.profiler.text_stats import NO_SCRIPT, SCRIPTS, count_texts
from textmill.components.scratch import local_copy
from textmill.components.shards import group, read_shard
from textmill.models.targets import TARGETS
from textmill.models.texts import joined_text

_BLOCK_CHARACTERS = 1 << 18


@dataclass
class Statistics:
    """Counts over documents; those of two shards add up to those of both.

    The texts of a document are counted as one, with line breaks between them.
    """

    num_documents: int = 0
    num_bytes: int = 0
    num_empty: int = 0
    """Documents without a word."""
    words: LengthHistogram = field(default_factory=LengthHistogram)
    characters: LengthHistogram = field(default_factory=LengthHistogram)
    scripts: Counter[str] = field(default_factory=Counter)
    columns: dict[str, Column] = field(default_factory=dict)
    labels: Counter[str] = field(default_factory=Counter)
    terms: TopTerms = field(default_factory=TopTerms)
    texts: list[np.ndarray] = field(default_factory=list)
    """The hash of every text, as parts of uint64 ``[num_documents]``."""
    grams: BottomKSketch = field(default_factory=BottomKSketch)
    """The 13-word sequences; a shorter text is one sequence."""

    def count(
        self, documents: Sequence[Mapping[str, Any]], target: str = "label"
    ) -> None:
        """Counts a block of documents with a kind of target."""
        texts = list(map(joined_text, documents))
        encoded = [text.encode() for text in texts]
        block = count_texts(texts, self.terms)
        self.num_documents += len(texts)
        self.num_bytes += sum(map(len, encoded))
        self.num_empty += int((block.num_words == 0).sum())
        self.words += LengthHistogram.of(block.num_words)
        self.characters += LengthHistogram.of(np.fromiter(map(len, texts), np.int64))
        for index, number in zip(
            *np.unique(block.scripts, return_counts=True), strict=True
        ):
            name = SCRIPTS[index] if index >= 0 else NO_SCRIPT
            self.scripts[name] += int(number)
        kind = TARGETS[target]
        for document in documents:
            if kind.field in document:
                self.labels.update(kind.labels_of(document[kind.field]))
        add_columns(self.columns, documents)
        digests = b"".join(hashlib.blake2b(t, digest_size=8).digest() for t in encoded)
        self.texts.append(np.frombuffer(digests, np.uint64))
        self.grams.add(block.grams)

    def merge(self, other: Statistics) -> None:
        """Adds the counts of another."""
        self.num_documents += other.num_documents
        self.num_bytes += other.num_bytes
        self.num_empty += other.num_empty
        self.words += other.words
        self.characters += other.characters
        self.scripts.update(other.scripts)
        self.labels.update(other.labels)
        for name, column in other.columns.items():
            self.columns.setdefault(name, Column()).merge(column)
        self.terms.merge(other.terms)
        self.texts += other.texts
        self.grams.merge(other.grams)

    def num_repeated(self) -> int:
        """Returns the number of duplicate texts, without the first of each."""
        ordered = np.sort(np.concatenate(self.texts))
        return int((ordered[1:] == ordered[:-1]).sum())

    def num_shared_with(self, other: Statistics) -> int:
        """Returns the number of documents whose text is in another set."""
        own, theirs = np.concatenate(self.texts), np.concatenate(other.texts)
        return int(np.isin(own, theirs).sum())


@dataclass(frozen=True)
class ShardFile:
    """A shard to count, its split, and its documents' kind of target."""

    split: str
    place: str
    target: str = "none"


def count_shard(shard: ShardFile) -> tuple[ShardFile, Statistics]:
    """Returns the statistics of one shard, with its most frequent terms."""
    statistics = Statistics()
    with local_copy(shard.place) as path:
        for block in group(read_shard(path), _size, least=_BLOCK_CHARACTERS):
            statistics.count(block, shard.target)
    statistics.terms.seal()
    statistics.texts = [np.concatenate([np.empty(0, np.uint64), *statistics.texts])]
    return shard, statistics


def _size(document: dict[str, Any]) -> int:
    return len(joined_text(document)) + 1


def by_split(
    shards: Iterable[tuple[ShardFile, Statistics]],
) -> dict[str, Statistics]:
    """Adds up the statistics of shards; splits are in the order of training.

    A split without documents is left out.
    """
    splits: dict[str, Statistics] = {}
    for shard, statistics in sorted(shards, key=lambda pair: pair[0].place):
        if statistics.num_documents:
            splits.setdefault(shard.split, Statistics()).merge(statistics)
    known = [name for name in SPLITS if name in splits]
    return {
        name: splits[name] for name in chain(known, sorted(set(splits) - set(known)))
    }
