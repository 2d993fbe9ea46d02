"""What looks wrong in documents: each finding a kind, a place and a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from textmill.components.profiler.config import Kind, ProfileConfig
from textmill.components.profiler.drift import Measure
from textmill.components.profiler.schema_check import check_split
from textmill.components.profiler.statistics import Statistics


@dataclass(frozen=True)
class Anomaly:
    """Something that looks wrong."""

    kind: Kind
    what: str
    where: str
    """The split."""


def find_anomalies(
    splits: Mapping[str, Statistics], config: ProfileConfig
) -> Iterator[Anomaly]:
    """Yields what looks wrong in each split by itself, and against train."""
    first = next(iter(splits.values()), None)
    for name, statistics in splits.items():
        yield from _sizes(name, statistics, config)
        yield from _labels(name, statistics, config)
        assert first is not None
        for label in sorted(set(first.labels) - set(statistics.labels)):
            what = f"label {label!r} of {next(iter(splits))} has no documents"
            yield Anomaly("labels", what, name)
        for column, tally in sorted(statistics.columns.items()):
            if len(tally.types) > 1:
                types = " or ".join(sorted(tally.types))
                yield Anomaly("types", f"column {column!r} is {types}", name)


def _sizes(name: str, split: Statistics, config: ProfileConfig) -> Iterator[Anomaly]:
    if split.num_empty:
        yield Anomaly("empty", f"{split.num_empty} documents without a word", name)
    if split.num_documents < config.min_documents:
        what = f"{split.num_documents} documents, fewer than {config.min_documents}"
        yield Anomaly("small", what, name)
    share = split.num_repeated() / split.num_documents
    if share > config.max_repeated:
        yield Anomaly(
            "repeats", f"{share:.1%} of the documents repeat another's text", name
        )


def _labels(name: str, split: Statistics, config: ProfileConfig) -> Iterator[Anomaly]:
    counts = split.labels
    if not counts:
        return
    most = min(counts, key=lambda label: (-counts[label], label))
    least = min(counts, key=lambda label: (counts[label], label))
    if counts[most] > config.max_imbalance * counts[least]:
        yield Anomaly(
            "imbalance",
            f"label {most!r} has {counts[most]} documents, "
            f"label {least!r} has {counts[least]}",
            name,
        )


def overlaps(splits: Mapping[str, Statistics]) -> list[dict[str, Any]]:
    """Returns, for every two splits, what of the later one is in the earlier, too.

    ``documents`` have a text that is there as a whole; ``sequences`` is the share of
    13-word sequences, each as often as it occurs (a shorter text is one sequence), as
    decontamination computes it; estimated on a sample where there are very many, None
    for none.
    """
    found = []
    for earlier, later in combinations(splits, 2):
        share = splits[later].grams.share_in(splits[earlier].grams)
        found.append(
            {
                "split": later,
                "of": earlier,
                "documents": splits[later].num_shared_with(splits[earlier]),
                "sequences": None if share is None else round(share, 6),
            }
        )
    return found


def leaks(
    overlap: Sequence[Mapping[str, Any]],
    splits: Mapping[str, Statistics],
    config: ProfileConfig,
) -> Iterator[Anomaly]:
    """Yields the overlaps of splits that are too large."""
    for found in overlap:
        share = found["documents"] / splits[found["split"]].num_documents
        if share > config.max_leakage:
            what = f"{found['documents']} documents have a text that is in"
            yield Anomaly("leakage", f"{what} {found['of']}", found["split"])
        if (found["sequences"] or 0) > config.max_overlap:
            what = f"{found['sequences']:.1%} of the 13-word sequences are in"
            yield Anomaly("leakage", f"{what} {found['of']}", found["split"])


def differences(
    kind: Kind,
    measures: Sequence[Measure],
    *,
    split: str,
    against: str,
    config: ProfileConfig,
) -> Iterator[Anomaly]:
    """Yields the measures that exceed their threshold by more than chance."""
    bounds = {
        "l_infinity": config.max_linf,
        "jensen_shannon": config.max_jensen_shannon,
    }
    names = {"l_infinity": "L-infinity", "jensen_shannon": "Jensen-Shannon"}
    for found in measures:
        if found.excess > (bound := bounds[found.measure]):
            detail = f" ({found.detail})" if found.detail else ""
            what = (
                f"{found.what}: {names[found.measure]} {found.value:.3f} from "
                f"{against}, of which chance explains {found.chance:.3f} "
                f"and {bound:g} is allowed{detail}"
            )
            yield Anomaly(kind, what, split)


def disagreements(
    splits: Mapping[str, Statistics], schema: Mapping[str, Any]
) -> Iterator[Anomaly]:
    """Yields how the documents differ from a schema."""
    for name in schema["min_documents"]:
        if name not in splits and schema["min_documents"][name] > 0:
            yield Anomaly("schema", "split is missing", name)
    for name, statistics in splits.items():
        for what in check_split(name, statistics, schema):
            yield Anomaly("schema", what, name)


def misfits(
    tokens: Mapping[str, Mapping[str, Any]], config: ProfileConfig
) -> Iterator[Anomaly]:
    """Yields the splits of which the vocabulary knows too little."""
    for name, found in tokens.items():
        if found["unknown_share"] > config.max_unknown:
            what = f"{found['unknown_share']:.2%} of the tokens are unknown"
            yield Anomaly("unknown", what, name)
