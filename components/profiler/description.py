"""The profile's description of a split: its statistics as JSON values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from textmill.components.profiler.columns import NUMBER_EDGES, Column
from textmill.components.profiler.sketches import LengthHistogram
from textmill.components.profiler.statistics import Statistics
from textmill.components.profiler.text_stats import UNSPACED_SCRIPTS

LENGTH_EDGES = (0, *(step * 10**power for power in range(7) for step in (1, 2, 5)))
"""Lower edges of the bins of the length histograms."""
PERCENTILES = (1, 5, 50, 95, 99)
NUM_VALUES = 20
"""Number of a column's most frequent values to list."""

_COMMON = re.compile(
    "the|of|and|to|in|is|for|that|it|as|be|are|this|with|on|or|by|an|not|from|if|at|"
    "which|can|will|was|have|has|but|we|you|its|all|when|should|may|any|other|one|than|"
    "also|there|they|then|these|such|no|so|do|been|used|using|use|into|more|only|each|"
    "their|he|his|her|she|had|were|would|what|who|my|me|your"
)
"""Frequent English words, not listed as terms."""


def describe(statistics: Statistics, *, top_terms: int) -> dict[str, Any]:
    """Returns the profile of a split as JSON values."""
    columns = statistics.columns
    languages = columns["language"].values if "language" in columns else None
    terms = [
        {"term": term, "count": count}
        for term, count in statistics.terms.ranked()
        if not _COMMON.fullmatch(term)
    ]
    return {
        "documents": statistics.num_documents,
        "bytes": statistics.num_bytes,
        "characters": statistics.characters.total,
        "words": statistics.words.total,
        "unit": _unit(statistics),
        "empty": statistics.num_empty,
        "repeated_texts": statistics.num_repeated(),
        "lengths": {
            "words": _lengths(statistics.words),
            "characters": _lengths(statistics.characters),
        },
        "labels": dict(statistics.labels),
        "languages": dict(languages or {}),
        "scripts": dict(statistics.scripts),
        "columns": {
            name: _column(column, statistics.num_documents)
            for name, column in columns.items()
        },
        "terms": statistics.terms.total,
        "top_terms": terms[:top_terms],
    }


def _unit(statistics: Statistics) -> str:
    """Returns the unit for text lengths: characters if most texts have no spaces."""
    unspaced = sum(statistics.scripts[name] for name in UNSPACED_SCRIPTS)
    return "characters" if 2 * unspaced > statistics.num_documents else "words"


def _lengths(lengths: LengthHistogram) -> dict[str, Any]:
    documents = int(lengths.counts.sum())
    uppers = (*LENGTH_EDGES[1:], None)
    return {
        "mean": round(lengths.total / documents, 2),
        "min": lengths.percentile(0),
        **{f"p{percent}": lengths.percentile(percent) for percent in PERCENTILES},
        "max": lengths.percentile(100),
        "histogram": [
            {"from": low, "below": high, "documents": number}
            for low, high, number in zip(
                LENGTH_EDGES, uppers, lengths.histogram(LENGTH_EDGES), strict=True
            )
            if number
        ],
    }


def _column(column: Column, num_documents: int) -> dict[str, Any]:
    description: dict[str, Any] = {
        "types": dict(column.types),
        "present": round(column.present / num_documents, 6),
    }
    if column.values is not None:
        description["distinct"] = len(column.values)
        description["top"] = ranked(column.values)[:NUM_VALUES]
    numbers = column.numbers
    if numbers.count:
        description |= {
            "min": numbers.least,
            "max": numbers.most,
            "mean": float(f"{numbers.total / numbers.count:.6g}"),
            "histogram": _bins(numbers.bins),
        }
    return description


def ranked(values: Counter[str]) -> list[dict[str, Any]]:
    """Returns values with document counts, most frequent first, then by name."""
    order = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    return [{"value": value, "documents": number} for value, number in order]


def _bins(bins: Mapping[int, int]) -> list[dict[str, Any]]:
    edges: Sequence[float | None] = (None, *NUMBER_EDGES, None)
    return [
        {"from": edges[index], "below": edges[index + 1], "documents": number}
        for index, number in sorted(bins.items())
    ]
