"""Profiling: what is in the documents, and what looks wrong."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from components.artifacts import (
    SPLITS,
    Documents,
    Profile,
    read_json,
    read_shard,
    write_json,
)
from components.base import Component, Context, Input, Output

LENGTH_EDGES = (0, *(step * 10**power for power in range(7) for step in (1, 2, 5)))
"""Lower edges, in words, of the bins of the length histogram."""
MAX_DISTINCT = 1000
"""A column's distinct values are counted up to here."""
MAX_IMBALANCE = 20
MIN_DOCUMENTS = 50

_TERMS_A_SHARD = 20_000
_TERM = re.compile(r"[^\W\d_]{2,}")
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number"}
_COMMON = re.compile(
    "the|of|and|to|in|is|for|that|it|as|be|are|this|with|on|or|by|an|not|from|if|at|"
    "which|can|will|was|have|has|but|we|you|its|all|when|should|may|any|other|one|than|"
    "also|there|they|then|these|such|no|so|do|been|used|using|use|into|more|only|each|"
    "their|he|his|her|she|had|were|would|what|who|my|me|your"
)
"""Words too frequent in English to say what a text is about."""


@dataclass(frozen=True, kw_only=True)
class ProfilerConfig:
    """What the profile holds."""

    top_terms: int = 20
    """How many of the most frequent words are listed a split."""


@dataclass
class Statistics:
    """Counts over documents; those of two shards add up."""

    num_documents: int = 0
    num_bytes: int = 0
    num_characters: int = 0
    num_words: int = 0
    num_empty: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    terms: Counter[str] = field(default_factory=Counter)
    types: dict[str, Counter[str]] = field(default_factory=dict)
    values: dict[str, set[Any]] = field(default_factory=dict)
    texts: Counter[bytes] = field(default_factory=Counter)
    """Number of documents by hash of their text."""

    def count(self, document: Mapping[str, Any]) -> None:
        """Takes one document."""
        text = document["text"]
        words = len(text.split())
        encoded = text.encode()
        self.num_documents += 1
        self.num_bytes += len(encoded)
        self.num_characters += len(text)
        self.num_words += words
        self.num_empty += not words
        self.lengths[bisect_right(LENGTH_EDGES, words) - 1] += 1
        self.terms.update(_TERM.findall(text.lower()))
        self.texts[hashlib.blake2b(encoded, digest_size=8).digest()] += 1
        for name, value in document.items():
            if name == "label":
                self.labels[value] += 1
            elif name not in ("id", "text"):
                self.types.setdefault(name, Counter())[_TYPES[type(value)]] += 1
                values = self.values.setdefault(name, set())
                if len(values) < MAX_DISTINCT:
                    values.add(value)

    def merge(self, other: Statistics) -> None:
        """Adds the counts of another."""
        for count in ("documents", "bytes", "characters", "words", "empty"):
            name = f"num_{count}"
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("lengths", "labels", "terms", "texts"):
            getattr(self, name).update(getattr(other, name))
        for name, types in other.types.items():
            self.types.setdefault(name, Counter()).update(types)
        for name, values in other.values.items():
            self.values.setdefault(name, set()).update(values)


@dataclass(frozen=True)
class ShardFile:
    """A shard to count, and its split."""

    split: str
    path: Path


def count_shard(shard: ShardFile) -> tuple[ShardFile, Statistics]:
    """Returns the statistics of one shard, rare terms left out."""
    statistics = Statistics()
    for document in read_shard(shard.path):
        statistics.count(document)
    terms = [
        term for term in statistics.terms.items() if not _COMMON.fullmatch(term[0])
    ]
    terms.sort(key=lambda term: (-term[1], term[0]))
    statistics.terms = Counter(dict(terms[:_TERMS_A_SHARD]))
    return shard, statistics


def summarize(
    shards: Iterable[tuple[ShardFile, Statistics]], *, top_terms: int
) -> dict[str, Any]:
    """Returns the profile of all shards."""
    by_split: dict[str, Statistics] = {}
    for shard, statistics in sorted(shards, key=lambda pair: pair[0].path):
        by_split.setdefault(shard.split, Statistics()).merge(statistics)
    splits = {name: by_split[name] for name in SPLITS if name in by_split}
    return {
        "splits": {
            name: _describe(statistics, top_terms)
            for name, statistics in splits.items()
        },
        "schema": _schema(splits),
        "anomalies": list(_anomalies(splits)),
    }


def _describe(statistics: Statistics, top_terms: int) -> dict[str, Any]:
    terms = sorted(statistics.terms.items(), key=lambda term: (-term[1], term[0]))
    uppers = (*LENGTH_EDGES[1:], None)
    return {
        "documents": statistics.num_documents,
        "bytes": statistics.num_bytes,
        "characters": statistics.num_characters,
        "words": statistics.num_words,
        "repeated_texts": statistics.num_documents - len(statistics.texts),
        "lengths": [
            {"from": LENGTH_EDGES[i], "below": uppers[i], "documents": number}
            for i, number in sorted(statistics.lengths.items())
        ],
        "labels": dict(statistics.labels),
        "top_terms": [
            {"term": term, "count": number} for term, number in terms[:top_terms]
        ],
        "distinct": {
            name: min(len(values), MAX_DISTINCT)
            for name, values in statistics.values.items()
        },
    }


def _schema(splits: Mapping[str, Statistics]) -> dict[str, Any]:
    total = Statistics()
    for statistics in splits.values():
        total.merge(statistics)
    return {
        "columns": {
            name: {
                "types": dict(types),
                "present": round(types.total() / total.num_documents, 6),
            }
            for name, types in total.types.items()
        },
        "labels": sorted(total.labels),
        "max_distinct": MAX_DISTINCT,
    }


def _anomalies(splits: Mapping[str, Statistics]) -> Iterator[dict[str, str]]:
    for name, statistics in splits.items():
        if statistics.num_empty:
            yield _warning(f"{statistics.num_empty} documents without a word", name)
        if statistics.num_documents < MIN_DOCUMENTS:
            what = f"{statistics.num_documents} documents, fewer than {MIN_DOCUMENTS}"
            yield _warning(what, name)
        counts = statistics.labels
        if counts and max(counts.values()) > MAX_IMBALANCE * min(counts.values()):
            most = min(counts, key=lambda label: (-counts[label], label))
            least = min(counts, key=lambda label: (counts[label], label))
            yield _warning(
                f"label {most!r} has {counts[most]} documents, "
                f"label {least!r} has {counts[least]}",
                name,
            )
        for label in sorted(set(splits["train"].labels) - set(counts)):
            yield _warning(f"label {label!r} of train has no documents", name)
        for column, types in sorted(statistics.types.items()):
            if len(types) > 1:
                yield _warning(
                    f"column {column!r} is {' or '.join(sorted(types))}", name
                )
    for first, second in combinations(splits, 2):
        shared = splits[first].texts.keys() & splits[second].texts.keys()
        if shared:
            leaked = sum(splits[second].texts[text] for text in shared)
            yield _warning(f"{leaked} documents have a text that is in {first}", second)


def _warning(what: str, where: str) -> dict[str, str]:
    return {"severity": "warning", "what": what, "where": where}


def profile(
    *,
    documents: Input[Documents],
    profile: Output[Profile],
    config: ProfilerConfig,
    context: Context,
) -> None:
    """Writes statistics a split, a schema, and anomalies."""
    import apache_beam as beam

    from components.beam import open_pipeline

    shards = [
        ShardFile(split, path)
        for split in documents.splits
        for path in documents.shards(split)
    ]
    file = profile.file(Profile.FILE)
    with open_pipeline(context.beam) as pipeline:
        _ = (
            pipeline
            | "Shards" >> beam.Create(shards)
            | "Count" >> beam.Map(count_shard)
            | "Together" >> beam.combiners.ToList()
            | "Summarize" >> beam.Map(summarize, top_terms=config.top_terms)
            | "Write" >> beam.Map(lambda summary: write_json(file, summary))
        )
    profile.facts |= {
        "splits": documents.splits,
        "anomalies": len(read_json(file)["anomalies"]),
    }


class Profiler(Component, executor=profile):
    """Documents -> profile (TFX: StatisticsGen, SchemaGen, ExampleValidator)."""
