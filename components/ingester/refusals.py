"""Refuses data that contradicts its config: bad records, repeated ids, no targets."""

from __future__ import annotations

from typing import Any

import numpy as np

from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.partitions import PartitionOutput
from textmill.components.ingester.positions import describe
from textmill.components.ingester.readers.records import LimitsConfig
from textmill.components.ingester.spill_files import SpillFiles
from textmill.models.errors import DataError
from textmill.models.targets import TARGETS
from textmill.models.texts import texts_of

_NUM_COMPARED = 200
"""Pairs of documents with one id whose texts are compared."""


def check_bad(
    parts: list[PartitionOutput], counts: dict[str, Any], dataset: DatasetConfig
) -> None:
    """Refuses too many bad records.

    Raises:
        DataError: the message has the most frequent reason and its first record.
    """
    limits, bad, num_read = dataset.limits, counts["bad"], counts["read"]
    num_bad = sum(bad.values())
    if limits.allow(num_bad, num_read):
        return
    reason = min(bad, key=lambda name: (-bad[name], name))
    letters = (letter for part in parts for letter in part.dead_letters)
    first = next(one for one in letters if one.entry["reason"] == reason)
    raise DataError(
        f"{num_bad} of {num_read} records are bad, more than limits allows "
        f"(max_bad_records {limits.max_bad_records}, max_bad_fraction "
        f"{limits.max_bad_fraction:g}); most often {reason} ({bad[reason]} times), "
        f"first at {describe(first, dataset)}"
    )


def check_targets(
    parts: list[PartitionOutput], rows: np.ndarray, dataset: DatasetConfig
) -> None:
    """Refuses data without any target, most often because its column is misnamed.

    Raises:
        DataError: no record has one.
    """
    target = TARGETS[dataset.target]
    dropped = sum(part.dropped[f"no_{target.field}"] for part in parts)
    num_unlabelled = dropped + int((~rows["labelled"]).sum())
    if dataset.target == "none" or rows["labelled"].any() or not num_unlabelled:
        return
    columns = {str(source.target_column) for source in dataset.named_sources().values()}
    examples = [part.examples.get(f"no_{target.field}", "") for part in parts]
    example = next(filter(None, examples), "every value is empty")
    raise DataError(
        f"{_patterns(dataset)}: expected a {target.field} in column "
        f"{', '.join(map(repr, sorted(columns)))} of some records, found none in "
        f"{num_unlabelled}: {example}"
    )


def check_kept(
    rows: np.ndarray, ledger: dict[str, Any], dataset: DatasetConfig
) -> None:
    """Refuses data without any document, or without one to train on.

    Raises:
        DataError: there is none.
    """
    dropped = ", ".join(f"{n} {reason}" for reason, n in ledger["dropped"].items())
    if not len(rows):
        raise DataError(
            f"no document is left of the {ledger['read']} records in "
            f"{_patterns(dataset)}"
            f"{f' (dropped: {dropped})' if dropped else ''}; look at the source"
        )
    if "train" not in ledger["kept"] and dataset.split.shares[0]:
        raise DataError(
            f"split train: expected documents, got none of {len(rows)} kept; "
            "give it a larger share or split by a column with more values"
        )


def check_ids(
    rows: np.ndarray,
    spills: list[str],
    order: np.ndarray,
    repeated_ids: np.ndarray,
    limits: LimitsConfig,
) -> None:
    """Refuses ids that many documents share although their texts differ.

    Args:
        rows: of INDEX, [n].
        spills: the lines of the partitions.
        order: positions of the rows, sorted by id and then by place, [n].
        repeated_ids: a mask of the rows that repeat the id of an earlier one, [n].
        limits: the bounds.

    Raises:
        DataError: the message has an example.
    """
    num_repeated = int(repeated_ids.sum())
    allowed = max(limits.max_duplicate_ids * len(rows), limits.max_bad_records)
    if num_repeated <= allowed:
        return
    is_first = ~repeated_ids[order]
    firsts = order[is_first][np.cumsum(is_first) - 1]
    # In the order of hashes, so that the first ones are a fair sample.
    sample = np.flatnonzero(~is_first)[:_NUM_COMPARED]
    with SpillFiles(spills) as lines:
        pairs = [
            (lines.document(rows[first]), lines.document(rows[second]))
            for first, second in zip(firsts[sample], order[sample], strict=True)
        ]
    different = [a for a, b in pairs if texts_of(a) != texts_of(b)]
    if num_repeated * len(different) / len(pairs) <= allowed:
        return
    raise DataError(
        f"{num_repeated} of {len(rows)} documents have the id of an earlier one, "
        f"most of them another text, for example {different[0]['id']!r}; expected "
        "an id for each: name another column as source.id, or none, or raise "
        f"limits.max_duplicate_ids ({limits.max_duplicate_ids:g}) to drop them"
    )


def _patterns(dataset: DatasetConfig) -> str:
    sources = dataset.named_sources().values()
    return ", ".join(pattern for source in sources for pattern in source.patterns)
