"""The profiler on Beam: counts shards, adds up, describes and compares the splits."""

from __future__ import annotations

import hmac
import pickle
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import apache_beam as beam

from textmill.components.artifacts import Documents, Profile, Vocabulary, write_json
from textmill.components.base import Context
from textmill.components.beam import open_pipeline
from textmill.components.manifest import sha256_file
from textmill.components.profiler import ProfilerConfig
from textmill.components.profiler.anomalies import (
    Anomaly,
    find_anomalies,
    find_bad_records,
    find_drift,
    find_leakage,
    find_new_labels,
    find_repeated_ids,
    find_spellings,
    find_unknown_tokens,
    find_violations,
    measure_overlaps,
)
from textmill.components.profiler.baseline import FORMAT, read_profile
from textmill.components.profiler.config import Kind, ProfileConfig
from textmill.components.profiler.description import describe
from textmill.components.profiler.drift import Measure, compare
from textmill.components.profiler.schema import infer, read_schema
from textmill.components.profiler.statistics import (
    ShardFile,
    Statistics,
    by_split,
    count_shard,
)
from textmill.components.scratch import cached_path, open_scratch_dir, uploading
from textmill.models.errors import DataError, IntegrityError

_NUM_NAMED = 5
_SEAL_BYTES = 32


def make_profile(
    documents: Documents,
    vocabulary: Vocabulary | None,
    profile: Profile,
    config: ProfilerConfig,
    context: Context,
) -> None:
    """Writes the profile; raises DataError for anomalies listed in ``fail_on``."""
    options = config.profile
    splits = _count(documents, context)
    tokens = {}
    if vocabulary is not None and options.sample_bytes:
        from textmill.components.profiler.tokens import measure_tokens

        tokens, speed = measure_tokens(
            documents, vocabulary, sample_bytes=options.sample_bytes
        )
        write_json(profile.file(Profile.SPEED), speed)
    ledger = documents.ledger if documents.files(Documents.LEDGER) else None
    summary = summarize(splits, tokens, options, ledger=ledger)
    path = profile.file(Profile.FILE)
    write_json(path, summary)
    profile.identity = {Profile.FILE: sha256_file(path)}
    _check_severity(summary["anomalies"], config)
    profile.facts |= {
        "splits": documents.splits,
        "anomalies": Counter(sorted(a["kind"] for a in summary["anomalies"])),
    }


def _count(documents: Documents, context: Context) -> dict[str, Statistics]:
    with open_scratch_dir(context, parent=Path(gettempdir())) as scratch:
        shards = [
            ShardFile(split, scratch.upload(path), documents.target)
            for split in documents.splits
            for path in documents.shards(split)
        ]
        targets = [scratch.path(f"counts-{n}") for n in range(len(shards))]
        key = secrets.token_bytes()
        with open_pipeline(context.beam) as pipeline:
            _ = (
                pipeline
                | "Shards" >> beam.Create(list(zip(shards, targets, strict=True)))
                | "Count" >> beam.Map(_count_into, key)
            )
        return by_split(_read_counts(target, key) for target in targets)


def _count_into(task: tuple[ShardFile, str], key: bytes) -> None:
    # One file per shard, because Beam would hold all results and a copy in memory.
    shard, target = task
    data = pickle.dumps(count_shard(shard))
    with uploading(target) as path:
        path.write_bytes(hmac.digest(key, data, "sha256") + data)


def _read_counts(target: str, key: bytes) -> tuple[ShardFile, Statistics]:
    """Reads a worker's counts after checking their HMAC: a pickle can run code."""
    sealed = cached_path(target).read_bytes()
    seal, data = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
    if not hmac.compare_digest(seal, hmac.digest(key, data, "sha256")):
        raise IntegrityError(
            f"{target}: expected counts written by this step, got a file with "
            "another signature; run again"
        )
    counts: tuple[ShardFile, Statistics] = pickle.loads(data)
    return counts


def summarize(
    splits: Mapping[str, Statistics],
    tokens: Mapping[str, Mapping[str, Any]],
    config: ProfileConfig,
    *,
    ledger: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns the profile: descriptions, measures and anomalies.

    Args:
        splits: statistics by split, in the order of training.
        tokens: token statistics by split (``measure_tokens``).
        config: thresholds, schema and baseline.
        ledger: the counts of the ingestion, if they are known.
    """
    described = {
        name: describe(statistics, top_terms=config.top_terms)
        | ({"tokens": tokens[name]} if name in tokens else {})
        for name, statistics in splits.items()
    }
    overlap = measure_overlaps(splits)
    anomalies = [
        *find_anomalies(splits, config),
        *find_spellings(splits),
        *find_leakage(overlap, splits, config),
    ]
    anomalies += find_unknown_tokens(tokens, config)
    baseline = read_profile(Path(config.baseline)) if config.baseline else None
    if ledger is not None:
        anomalies += find_repeated_ids(ledger)
        anomalies += find_bad_records(ledger, (baseline or {}).get("ledger"), config)
    if baseline is not None:
        anomalies += find_new_labels(splits, baseline)
    if config.schema:
        anomalies += find_violations(splits, read_schema(Path(config.schema)))
    measures: list[dict[str, Any]] = []
    for kind, split, against, compared in _comparisons(described, baseline):
        labels = {"kind": kind, "split": split, "against": against}
        measures += [labels | asdict(measure) for measure in compared]
        anomalies += find_drift(
            kind, compared, split=split, against=against, config=config
        )
    return {
        "format": FORMAT,
        "splits": described,
        "overlap": overlap,
        "schema": infer({"splits": described}),
        "measures": measures,
        "anomalies": [_with_severity(anomaly, config) for anomaly in anomalies],
    } | ({"ledger": ledger} if ledger is not None else {})


def _comparisons(
    described: Mapping[str, Any], baseline: Mapping[str, Any] | None
) -> Iterator[tuple[Kind, str, str, list[Measure]]]:
    """Yields kind, split, the split it is compared with, and the measures."""
    first, *others = described
    for name in others:
        yield "skew", name, first, list(compare(described[name], described[first]))
    if baseline is not None:
        for name in described:
            if name in baseline["splits"]:
                measures = list(compare(described[name], baseline["splits"][name]))
                yield "drift", name, "the baseline", measures


def _with_severity(anomaly: Anomaly, config: ProfileConfig) -> dict[str, str]:
    severity = "error" if anomaly.kind in config.fail_on else "warning"
    return {"severity": severity, **asdict(anomaly)}


def _check_severity(
    anomalies: Sequence[Mapping[str, str]], config: ProfilerConfig
) -> None:
    errors = [anomaly for anomaly in anomalies if anomaly["severity"] == "error"]
    if not errors:
        return
    where = f"datasets.{config.dataset}.profile"
    listed = "; ".join(
        f"{anomaly['kind']} ({anomaly['where']}): {anomaly['what']}"
        for anomaly in errors[:_NUM_NAMED]
    )
    more = f"; and {len(errors) - _NUM_NAMED} more" if len(errors) > _NUM_NAMED else ""
    raise DataError(
        f"{where}.fail_on: expected no anomalies of these kinds, got {len(errors)}: "
        f"{listed}{more}; correct the data or the thresholds, or see the whole profile "
        f"with `--until profile.{config.dataset} --set {where}.fail_on=[]`"
    )
