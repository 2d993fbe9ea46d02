"""The profiler on Beam: shards are counted, added up, described and compared."""

from __future__ import annotations

import hmac
import pickle
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import apache_beam as beam

from textmill.components.artifacts import (
    Documents,
    Profile,
    Vocabulary,
    write_json,
)
from textmill.components.base import Context
from textmill.components.beam import open_pipeline
from textmill.components.manifest import sha256_file
from textmill.components.profiler import ProfilerConfig
from textmill.components.profiler.anomalies import (
    Anomaly,
    differences,
    disagreements,
    find_anomalies,
    leaks,
    misfits,
    overlaps,
)
from textmill.components.profiler.baseline import FORMAT, read_profile
from textmill.components.profiler.config import Kind, ProfileConfig
from textmill.components.profiler.describing import describe
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
    """Writes the profile, or says why the documents do not pass."""
    said = config.profile
    splits = _count(documents, context)
    tokens = {}
    if vocabulary is not None and said.sample_bytes:
        from textmill.components.profiler.tokens import measure_tokens

        tokens, speed = measure_tokens(
            documents, vocabulary, sample_bytes=said.sample_bytes
        )
        write_json(profile.file(Profile.SPEED), speed)
    found = summarize(splits, tokens, said)
    if documents.files(Documents.LEDGER):
        found["ledger"] = documents.ledger
    path = profile.file(Profile.FILE)
    write_json(path, found)
    profile.identity = {Profile.FILE: sha256_file(path)}
    _judge(found["anomalies"], config)
    profile.facts |= {
        "splits": documents.splits,
        "anomalies": len(found["anomalies"]),
    }


def _count(documents: Documents, context: Context) -> dict[str, Statistics]:
    with open_scratch_dir(context, parent=Path(gettempdir())) as scratch:
        shards = [
            ShardFile(split, scratch.upload(path))
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
        return by_split(_open(target, key) for target in targets)


def _count_into(task: tuple[ShardFile, str], key: bytes) -> None:
    # By a file, because Beam would hold every shard's result and a copy in memory.
    shard, target = task
    data = pickle.dumps(count_shard(shard))
    with uploading(target) as path:
        path.write_bytes(hmac.digest(key, data, "sha256") + data)


def _open(target: str, key: bytes) -> tuple[ShardFile, Statistics]:
    """Reads what a worker counted, and nothing that was put in its place."""
    sealed = cached_path(target).read_bytes()
    seal, data = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
    if not hmac.compare_digest(seal, hmac.digest(key, data, "sha256")):
        raise IntegrityError(f"{target}: was not written by a worker of this step")
    found: tuple[ShardFile, Statistics] = pickle.loads(data)
    return found


def summarize(
    splits: Mapping[str, Statistics],
    tokens: Mapping[str, Mapping[str, Any]],
    config: ProfileConfig,
) -> dict[str, Any]:
    """Returns the profile: descriptions, measures and anomalies.

    Args:
        splits: statistics by split, in the order of training.
        tokens: what the vocabulary makes of them (``measure_tokens``).
        config: thresholds, schema and baseline.
    """
    described = {
        name: describe(statistics, top_terms=config.top_terms)
        | ({"tokens": tokens[name]} if name in tokens else {})
        for name, statistics in splits.items()
    }
    overlap = overlaps(splits)
    anomalies = [*find_anomalies(splits, config), *leaks(overlap, splits, config)]
    anomalies += misfits(tokens, config)
    if config.schema:
        anomalies += disagreements(splits, read_schema(Path(config.schema)))
    measures: list[dict[str, Any]] = []
    for kind, split, against, found in _comparisons(described, config):
        place = {"kind": kind, "split": split, "against": against}
        measures += [place | asdict(measure) for measure in found]
        anomalies += differences(
            kind, found, split=split, against=against, config=config
        )
    return {
        "format": FORMAT,
        "splits": described,
        "overlap": overlap,
        "schema": infer({"splits": described}),
        "measures": measures,
        "anomalies": [_said(anomaly, config) for anomaly in anomalies],
    }


def _comparisons(
    described: Mapping[str, Any], config: ProfileConfig
) -> Iterator[tuple[Kind, str, str, list[Measure]]]:
    """Yields kind, split, what it is compared with, and the measures."""
    first, *others = described
    for name in others:
        yield "skew", name, first, list(compare(described[name], described[first]))
    if config.baseline:
        old = read_profile(Path(config.baseline))["splits"]
        for name in described:
            if name in old:
                found = list(compare(described[name], old[name]))
                yield "drift", name, "the baseline", found


def _said(anomaly: Anomaly, config: ProfileConfig) -> dict[str, str]:
    severity = "error" if anomaly.kind in config.fail_on else "warning"
    return {"severity": severity, **asdict(anomaly)}


def _judge(anomalies: Sequence[Mapping[str, str]], config: ProfilerConfig) -> None:
    errors = [found for found in anomalies if found["severity"] == "error"]
    if not errors:
        return
    where = f"datasets.{config.dataset}.profile"
    named = "; ".join(
        f"{found['kind']} ({found['where']}): {found['what']}"
        for found in errors[:_NUM_NAMED]
    )
    more = f"; and {len(errors) - _NUM_NAMED} more" if len(errors) > _NUM_NAMED else ""
    raise DataError(
        f"{where}.fail_on: expected no such anomaly, found {len(errors)}: "
        f"{named}{more}; mend the data or the thresholds, or see the whole profile "
        f"with `--until profile.{config.dataset} --set {where}.fail_on=[]`"
    )
