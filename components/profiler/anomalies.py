"""Anomalies in documents: each has a kind, a split and a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from textmill.components.profiler.config import Kind, ProfileConfig
from textmill.components.profiler.drift import Measure, l_infinity
from textmill.components.profiler.schema_check import check_split
from textmill.components.profiler.spelling import equal_but_for_form, likely_typos
from textmill.components.profiler.statistics import Statistics


@dataclass(frozen=True)
class Anomaly:
    """A property of a split that exceeds a threshold or violates the schema."""

    kind: Kind
    what: str
    where: str
    """The split, or ``source`` for records before they are split."""


def find_anomalies(
    splits: Mapping[str, Statistics], config: ProfileConfig
) -> Iterator[Anomaly]:
    """Yields the anomalies of each split, and its labels and types against train."""
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


def find_spellings(splits: Mapping[str, Statistics]) -> Iterator[Anomaly]:
    """Yields labels that are most likely one label in several spellings."""
    labels = sum((split.labels for split in splits.values()), Counter[str]())

    def anomaly(name: str, what: str) -> Anomaly:
        where = next(split for split in splits if name in splits[split].labels)
        return Anomaly("spelling", f"{what}; labels.map makes them one", where)

    for names in equal_but_for_form(labels):
        listed = " and ".join(f"{name!r} ({labels[name]})" for name in names)
        what = f"labels {listed} differ in case, white space or number format alone"
        yield anomaly(names[-1], what)
    for rare, frequent in likely_typos(labels):
        what = (
            f"label {rare!r} ({labels[rare]}) looks like {frequent!r} "
            f"({labels[frequent]})"
        )
        yield anomaly(rare, what)


def find_repeated_ids(ledger: Mapping[str, Any]) -> Iterator[Anomaly]:
    """Yields the number of documents dropped because of their id, if there are any."""
    if number := ledger.get("dropped", {}).get("duplicate_id", 0):
        what = (
            f"{number} of {ledger['read']} documents have the id of an earlier one, "
            "and were dropped"
        )
        yield Anomaly("ids", what, "source")


def find_bad_records(
    ledger: Mapping[str, Any],
    baseline: Mapping[str, Any] | None,
    config: ProfileConfig,
) -> Iterator[Anomaly]:
    """Yields the share of bad records, if it is above ``max_bad``.

    Args:
        ledger: the counts of the ingestion.
        baseline: those of the baseline, whose share is deducted with sampling noise.
        config: the threshold.
    """
    counts, usual = _good_and_bad(ledger), _good_and_bad(baseline or {})
    if not counts["bad"]:
        return
    share, chance, detail = counts["bad"] / counts.total(), 0.0, ""
    if usual.total():
        before = usual["bad"] / usual.total()
        chance = before + l_infinity("bad", counts, usual).chance
        detail = f", {before:.2%} in the baseline"
    if share - chance > config.max_bad:
        reasons = ", ".join(f"{n} {name}" for name, n in ledger["bad"].items())
        yield Anomaly(
            "bad",
            f"{share:.2%} of the records are bad{detail}: {reasons}",
            "source",
        )


def _good_and_bad(ledger: Mapping[str, Any]) -> Counter[str]:
    num_bad = sum(ledger.get("bad", {}).values())
    return Counter(bad=num_bad, good=ledger.get("read", 0) - num_bad)


def find_new_labels(
    splits: Mapping[str, Statistics], baseline: Mapping[str, Any]
) -> Iterator[Anomaly]:
    """Yields the labels that the same split of the baseline does not have."""
    for name, statistics in splits.items():
        known = baseline["splits"].get(name, {}).get("labels")
        for label in sorted(set(statistics.labels) - set(known or statistics.labels)):
            yield Anomaly("labels", f"label {label!r} is not in the baseline", name)


def measure_overlaps(splits: Mapping[str, Statistics]) -> list[dict[str, Any]]:
    """Returns the overlap of every split with every earlier one.

    ``documents`` counts texts that are equal; ``sequences`` is the share of 13-word
    sequences in common, as decontamination computes it (a shorter text is one
    sequence), estimated on a sample if there are very many, or None.
    """
    pairs = []
    for earlier, later in combinations(splits, 2):
        share = splits[later].grams.share_in(splits[earlier].grams)
        pairs.append(
            {
                "split": later,
                "of": earlier,
                "documents": splits[later].num_shared_with(splits[earlier]),
                "sequences": None if share is None else round(share, 6),
            }
        )
    return pairs


def find_leakage(
    overlap: Sequence[Mapping[str, Any]],
    splits: Mapping[str, Statistics],
    config: ProfileConfig,
) -> Iterator[Anomaly]:
    """Yields the overlaps above ``max_leakage`` or ``max_overlap``."""
    for pair in overlap:
        share = pair["documents"] / splits[pair["split"]].num_documents
        if share > config.max_leakage:
            what = f"{pair['documents']} documents have a text that is in"
            yield Anomaly("leakage", f"{what} {pair['of']}", pair["split"])
        if (pair["sequences"] or 0) > config.max_overlap:
            what = f"{pair['sequences']:.1%} of the 13-word sequences are in"
            yield Anomaly("leakage", f"{what} {pair['of']}", pair["split"])


def find_drift(
    kind: Kind,
    measures: Sequence[Measure],
    *,
    split: str,
    against: str,
    config: ProfileConfig,
) -> Iterator[Anomaly]:
    """Yields the measures above their threshold after deducting sampling noise."""
    thresholds = {
        "l_infinity": config.max_linf,
        "jensen_shannon": config.max_jensen_shannon,
    }
    names = {"l_infinity": "L-infinity", "jensen_shannon": "Jensen-Shannon"}
    for measure in measures:
        if measure.excess > (threshold := thresholds[measure.measure]):
            detail = f" ({measure.detail})" if measure.detail else ""
            what = (
                f"{measure.what}: {names[measure.measure]} {measure.value:.3f} from "
                f"{against}, of which chance explains {measure.chance:.3f} "
                f"and {threshold:g} is allowed{detail}"
            )
            yield Anomaly(kind, what, split)


def find_violations(
    splits: Mapping[str, Statistics], schema: Mapping[str, Any]
) -> Iterator[Anomaly]:
    """Yields the violations of a schema."""
    for name in schema["min_documents"]:
        if name not in splits and schema["min_documents"][name] > 0:
            yield Anomaly("schema", "split is missing", name)
    for name, statistics in splits.items():
        for what in check_split(name, statistics, schema):
            yield Anomaly("schema", what, name)


def find_unknown_tokens(
    tokens: Mapping[str, Mapping[str, Any]], config: ProfileConfig
) -> Iterator[Anomaly]:
    """Yields the splits with too many unknown tokens."""
    for name, counts in tokens.items():
        if counts["unknown_share"] > config.max_unknown:
            what = f"{counts['unknown_share']:.2%} of the tokens are unknown"
            yield Anomaly("unknown", what, name)
