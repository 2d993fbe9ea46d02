"""Statistics by row, kept with an evaluation, and paired with the next model's.

``rows.parquet`` has a column ``key``, uint64, and a column ``<metric>.<number>`` for
each statistic of a metric. A key is the hash of a document's text and target, so that
documents are found again in a data set that has grown; rows that hold several documents
are numbered, and are only paired within one data set.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from textmill.components.artifacts import Documents, Predictions, PushedVersion
from textmill.components.evaluator.rows import MeasuredRows
from textmill.components.evaluator.thresholds import Baseline
from textmill.components.manifest import canonical_json
from textmill.models.metrics.difference import paired_differences
from textmill.models.metrics.metric import Metric
from textmill.models.metrics.resampling import group_codes
from textmill.models.targets import TARGETS
from textmill.models.tasks import TASKS
from textmill.models.texts import texts_of

_LEAST_SHARE = 0.5
"""Share of the new model's rows that the pushed one must have been measured on."""


def row_keys(
    documents: Documents, predictions: Predictions, ids: list[str]
) -> np.ndarray | None:
    """Returns a key of each row, uint64; None if the rows are of other documents."""
    task = TASKS[predictions.facts["task"]]
    if not task.has_document_rows:
        return np.arange(len(ids), dtype=np.uint64)
    field, seen = TARGETS[task.target].field or "id", Counter[bytes]()
    keys: list[int] = []
    read: list[str] = []
    splits = documents.splits_of(predictions.facts["split"])
    for document in documents.read_with(field, *splits):
        content = canonical_json([*texts_of(document), document[field]])
        number = seen[content]
        seen[content] += 1
        digest = hashlib.blake2b(content + b"%d" % number, digest_size=8).digest()
        keys.append(int.from_bytes(digest, "big"))
        read.append(document["id"])
    return np.array(keys, np.uint64) if read == ids else None


def write_rows(path: Path, keys: np.ndarray, rows: MeasuredRows) -> None:
    """Writes keys and statistics."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"key": keys} | {
        f"{name}.{number}": statistic
        for name, statistics in rows.statistics.items()
        for number, statistic in enumerate(statistics)
    }
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    labels = json.dumps(rows.facts.labels)
    table = table.replace_schema_metadata({"labels": labels})
    pq.write_table(table, path, compression="zstd")


def pair_with_pushed(
    baseline: Baseline,
    folder: Path,
    *,
    keys: np.ndarray,
    rows: MeasuredRows,
    metrics: Mapping[str, Metric],
    seed: int,
) -> Baseline:
    """Returns the baseline with the differences over the rows that both models have.

    Without its rows, or with too few in common, it is returned as it is.

    Args:
        baseline: the pushed version.
        folder: the stage's pushed versions.
        keys: key of each row of the new model.
        rows: the new model's.
        metrics: by name.
        seed: seed of the resamples.

    Raises:
        IntegrityError: the version's rows were altered.
    """
    version = PushedVersion(folder / str(baseline.version))
    if not version.files(PushedVersion.ROWS):
        return baseline
    table = _read_rows(version.verify_file(PushedVersion.ROWS))
    if table["labels"] != list(rows.facts.labels):
        return baseline
    if not rows.facts.labels and not baseline.same_documents:
        return baseline
    common, own, theirs = np.intersect1d(keys, table["key"], return_indices=True)
    if len(common) < max(1.0, _LEAST_SHARE * len(keys)):
        return baseline
    first = {name: values[:, own] for name, values in rows.statistics.items()}
    second = {
        name: values[:, theirs]
        for name, values in table["statistics"].items()
        if name in first and len(values) == len(first[name])
    }
    if not _are_alike(first, second):
        return baseline
    differences = paired_differences(
        {name: metrics[name] for name in second},
        {name: first[name] for name in second},
        second,
        rows.facts,
        groups=None if rows.groups is None else group_codes(rows.groups[own]),
        seed=seed,
    )
    return replace(baseline, differences=differences, paired_rows=len(common))


def _read_rows(path: Path) -> dict[str, Any]:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    statistics: dict[str, list[np.ndarray]] = {}
    for column in table.column_names:
        name, _, number = column.rpartition(".")
        if name:
            part = statistics.setdefault(name, [])
            assert len(part) == int(number), f"{path}: {column} is out of order"
            part.append(table[column].to_numpy())
    return {
        "key": table["key"].to_numpy(),
        "labels": json.loads(table.schema.metadata[b"labels"]),
        "statistics": {name: np.stack(part) for name, part in statistics.items()},
    }


def _are_alike(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
) -> bool:
    """Returns True if both models predict as many tokens, or one label, in each row."""
    if "loss" not in first or "loss" not in second:
        return bool(second)
    return np.array_equal(first["loss"][1], second["loss"][1])
