"""The page's section about a data set: counts, lengths, ledger, drift, anomalies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from textmill.components.artifacts import SPLITS

NUM_TERMS = 20
NUM_LONGEST = 8
NUM_DRIFTS = 8
_COUNTS = ("documents", "words", "characters", "bytes")
_TOKENS = (
    "tokens",
    "tokens_a_word",
    "tokens_a_character",
    "unknown_share",
    "entries",
    "unused_entries",
)


def describe_data_set(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values that the template shows; parts of a profile may be missing."""
    splits = profile.get("splits") or {}
    order = [name for name in SPLITS if name in splits]
    order += sorted(set(splits) - set(order))
    train = splits.get("train") or {}
    return {
        "name": profile["name"],
        "unit": train.get("unit", "words"),
        "documents": sum(split.get("documents", 0) for split in splits.values()),
        "splits": [(name, _split(splits[name])) for name in order],
        "categories": list(_categories([splits[name] for name in order])),
        "lengths": draw_histogram(_length(train).get("histogram") or ()),
        "terms": (train.get("top_terms") or [])[:NUM_TERMS],
        "tokens": _tokens(train.get("tokens") or {}),
        "columns": [
            (name, column)
            for name, column in (train.get("columns") or {}).items()
            if name not in ("label", "language")
        ],
        "ledger": _ledger(profile.get("ledger") or {}),
        "drift": _drift(profile.get("measures") or ()),
        "anomalies": [
            dict.fromkeys(("severity", "what", "where"), "") | anomaly
            for anomaly in profile.get("anomalies") or ()
        ],
    }


def _split(split: Mapping[str, Any]) -> dict[str, Any]:
    tokens = split.get("tokens")
    unit = split.get("unit", "words")
    return {
        **{name: split.get(name, 0) for name in _COUNTS},
        "length": _length(split),
        "unknown": tokens and tokens["unknown_share"],
        "fertility": tokens and tokens[f"tokens_a_{unit.removesuffix('s')}"],
    }


def _tokens(tokens: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the token statistics of the train split; empty without a vocabulary."""
    if not tokens:
        return {}
    return {
        **{name: tokens[name] for name in _TOKENS},
        "unused_share": 100 * tokens["unused_entries"] / max(1, tokens["entries"]),
        "longest": tokens["longest"][:NUM_LONGEST],
    }


def _length(split: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the statistics of document lengths in the split's unit."""
    lengths = split.get("lengths") or {}
    lengths_in_unit: Mapping[str, Any] = lengths.get(split.get("unit", "words")) or {}
    return lengths_in_unit


def _categories(splits: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yields counts of labels, and of languages and scripts if there are several."""
    for title, key, fewest in (
        ("Label", "labels", 1),
        ("Language", "languages", 2),
        ("Script", "scripts", 2),
    ):
        shares = _shares([split.get(key) or {} for split in splits])
        if len(shares) >= fewest:
            yield {"title": title, "shares": shares}


def _shares(counts: Iterable[Mapping[str, int]]) -> list[tuple[str, int, float]]:
    """Returns value, documents over all splits, and percent of the largest count."""
    totals: dict[str, int] = {}
    for split in counts:
        for value, number_of in split.items():
            totals[value] = totals.get(value, 0) + number_of
    largest = max(totals.values(), default=0) or 1
    ranked = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    return [(value, total, 100 * total / largest) for value, total in ranked]


def _ledger(ledger: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns counts of records: read, kept, lost by reason, and changed by kind."""
    read = ledger.get("read")
    if not read:
        return None
    num_kept = sum((ledger.get("kept") or {}).values())
    lost = [
        (fate, reason, number_of)
        for fate in ("dropped", "bad")
        for reason, number_of in _ranked(ledger.get(fate) or {})
    ]
    largest = max((number_of for _, _, number_of in lost), default=1)
    changes = {
        name: _ranked(ledger.get(name) or {}) for name in ("cut", "personal", "added")
    }
    return {
        "read": read,
        "kept": num_kept,
        "share": 100 * min(1, num_kept / read),
        "lost": [
            (*loss, 100 * loss[2] / read, 100 * loss[2] / largest) for loss in lost
        ],
        "changes": {name: counts for name, counts in changes.items() if counts},
    }


def _ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    present = [(name, number_of) for name, number_of in counts.items() if number_of]
    return sorted(present, key=lambda item: (-item[1], item[0]))


def _drift(measures: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Returns the largest drifts from the baseline, of those that exceed chance."""
    drift = [
        measure
        for measure in measures
        if measure["kind"] == "drift" and measure["value"] > measure["chance"]
    ]
    return sorted(drift, key=lambda m: m["chance"] - m["value"])[:NUM_DRIFTS]


def draw_histogram(bins: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Places equally wide bars, with empty bins where the profile leaves them out."""
    heights: dict[int, int] = {}
    for entry in bins:
        heights[entry["from"]] = entry["documents"]
        if entry["below"] is not None:
            heights.setdefault(entry["below"], 0)
    if not any(heights.values()):
        return None
    starts = sorted(heights)
    if heights[starts[-1]] == 0:
        starts.pop()
    width, largest = 100 / len(starts), max(heights.values())
    places = [(round(index * width, 2), start) for index, start in enumerate(starts)]
    peak = max(places, key=lambda place: heights[place[1]])[1]
    return {
        "description": f"Histogram of lengths from {starts[0]:,} to {starts[-1]:,}; "
        f"most documents from {peak:,}.",
        "bars": [
            (left, round(width, 2), round(100 * heights[start] / largest, 2))
            for left, start in places
        ],
        "ticks": places[:: -(-len(places) // 8)],
    }
