"""Groups of documents that belong together, and their assignment to folds.

Near duplicates are found by MinHash (Broder 1997) in 32 bands of 4 hashes of 3-word
shingles: a pair of similarity 0.6 shares a band with probability 0.99, one of 0.5 with
0.87. A pair counts if the share of its 128 hashes that agree, which estimates the
similarity with a standard error of 0.04, reaches the threshold.

The result is a function of the seed and the documents: their order in files does not
matter.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import orjson

from textmill.components.artifacts import Documents, fold_name, shard_name
from textmill.components.fold_splitter import FoldSplitterConfig
from textmill.components.shards import open_shard, read_batches
from textmill.components.text.duplicate_clusters import DuplicateClusters
from textmill.components.text.minhash import band_keys, signatures
from textmill.components.text.shingles import ngram_hashes, text_key
from textmill.models.errors import DataError
from textmill.models.texts import joined_text, texts_of

_POOLED = ("train", "eval")
_BANDS, _HASHES = 32, 4
_PAIRS_AT_ONCE = 1 << 14

Batch = list[dict[str, Any]]


class Keys(NamedTuple):
    """Hashes of documents, from which their folds follow."""

    order: np.ndarray
    """Seeded hash of the id; uint64 [documents]."""
    label: np.ndarray
    """Number of the label; int64 [documents]."""
    text: np.ndarray
    """Hash of the text; uint64 [documents]."""
    group: np.ndarray
    """Hash of the value of the column of groups, 0 without one; uint64 [documents]."""
    minima: np.ndarray
    """MinHash signatures; uint64 [documents, bands * hashes]."""


def deal_documents(
    documents: Documents, folds: Documents, config: FoldSplitterConfig
) -> None:
    """Writes the folds and their facts."""
    parts = [_keys(batch, documents, config) for batch in _pooled(documents)]
    if not parts:
        raise _too_few(0, config)
    keys = Keys(*map(np.concatenate, zip(*parts, strict=True)))
    order = np.lexsort((keys.text, keys.order))
    sorted_keys = Keys(*(values[order] for values in keys))
    clusters, num_joined = find_groups(sorted_keys, config)
    names, groups = np.unique(clusters, return_inverse=True)
    if len(names) < config.num_folds:
        raise _too_few(len(names), config)
    fold_of_group = assign_folds(
        sorted_keys.label,
        groups,
        num_labels=len(documents.labels),
        num_folds=config.num_folds,
    )
    fold_of = np.empty(len(order), np.int64)
    fold_of[order] = fold_of_group[groups]
    _write(documents, folds, fold_of, config.num_folds)
    folds.facts["folds"] = {
        "groups": len(names),
        "duplicates": num_joined,
        "unlabelled": sum(documents.splits.get(s, 0) for s in _POOLED) - len(order),
        "rare": _rare_labels(documents, sorted_keys.label, groups, config.num_folds),
    }


def _pooled(documents: Documents) -> Iterator[Batch]:
    """Yields the documents with a label, in batches, in the order of their files."""
    for shard in documents.shards(*_POOLED):
        for batch in read_batches(shard):
            if labelled := [document for document in batch if "label" in document]:
                yield labelled


def _keys(batch: Batch, documents: Documents, config: FoldSplitterConfig) -> Keys:
    texts = list(map(joined_text, batch))
    numbers = {label: number for number, label in enumerate(documents.labels)}
    key = str(config.seed).encode()
    ids = b"".join(_hash(document["id"], key=key) for document in batch)
    groups = b"".join(_group_key(document, config.group_by) for document in batch)
    values, splits = ngram_hashes(texts, config.ngrams)
    return Keys(
        order=np.frombuffer(ids, "<u8"),
        label=np.array([numbers[document["label"]] for document in batch], np.int64),
        text=np.frombuffer(b"".join(text_key(t)[:8] for t in texts), "<u8"),
        group=np.frombuffer(groups, "<u8"),
        minima=signatures(values, splits, bands=_BANDS, hashes=_HASHES),
    )


def _group_key(document: dict[str, Any], column: str) -> bytes:
    """Returns 8 bytes that the documents of a group share; zeros without a group."""
    if column == "position":
        return _hash(document["id"].rpartition("#")[0])
    if column in ("id", "source") or column not in document:
        return bytes(8)
    return _hash(str(document[column]))


def _hash(text: str, *, key: bytes = b"") -> bytes:
    return blake2b(text.encode(), digest_size=8, key=key).digest()


def find_groups(keys: Keys, config: FoldSplitterConfig) -> tuple[np.ndarray, int]:
    """Returns the least index in each document's group, and the number of duplicates.

    A duplicate is a document of which a near or exact copy comes earlier.
    """
    clusters = DuplicateClusters(len(keys.order))
    clusters.join(keys.text)

    def verify(pairs: np.ndarray) -> np.ndarray:
        chunks = np.split(pairs, range(_PAIRS_AT_ONCE, len(pairs), _PAIRS_AT_ONCE))
        shares = [
            (keys.minima[left] == keys.minima[right]).mean(axis=1)
            for left, right in (chunk.T for chunk in chunks)
        ]
        return np.concatenate(shares) >= config.similarity

    bands = band_keys(keys.minima, _BANDS)
    for band in range(_BANDS):
        clusters.join_verified(bands[:, band], verify)
    num_duplicates = len(keys.order) - len(np.unique(clusters.labels))
    clusters.join(keys.group)
    return clusters.labels, num_duplicates


def assign_folds(
    labels: np.ndarray, groups: np.ndarray, *, num_labels: int, num_folds: int
) -> np.ndarray:
    """Returns the fold of every group, counted from 0; int64 [groups].

    Greedy, as StratifiedGroupKFold of scikit-learn: the group with the most uneven
    labels first, each to the fold where the labels' standard deviations over folds,
    relative to their totals, have the least sum; among equals to the smallest fold.

    Args:
        labels: label numbers ``[documents]``.
        groups: group numbers ``[documents]``, from 0 without gaps.
        num_labels: number of labels.
        num_folds: number of folds.
    """
    cells, counts = np.unique(groups * num_labels + labels, return_counts=True)
    cell_group, cell_label = np.divmod(cells, num_labels)
    sizes = np.bincount(groups)
    squares = np.bincount(cell_group, weights=counts**2).astype(np.int64)
    order = np.argsort(sizes**2 - num_labels * squares, kind="stable")
    begins = np.searchsorted(cell_group, np.arange(len(sizes) + 1))
    totals = np.bincount(labels, minlength=num_labels)
    in_fold = np.zeros((num_folds, num_labels), np.int64)
    fold_of = np.empty(len(sizes), np.int64)
    for group in order.tolist():
        cell = slice(begins[group], begins[group + 1])
        own, added = cell_label[cell], counts[cell]
        before = in_fold[:, own]  # [folds, labels of the group]
        # Of n numbers with sum s and sum of squares q, the deviation is
        # sqrt(n q - s^2) / n; only q depends on the fold.
        after = (before**2).sum(axis=0) + 2 * before * added + added**2
        spread = num_folds * after - (before.sum(axis=0) + added) ** 2
        score = (np.sqrt(spread) / totals[own]).sum(axis=1)
        best = np.flatnonzero(np.isclose(score, score.min()))
        fold = best[in_fold[best].sum(axis=1).argmin()]
        in_fold[fold, own] += added
        fold_of[group] = fold
    return fold_of


def _write(
    documents: Documents, folds: Documents, fold_of: np.ndarray, num_folds: int
) -> None:
    """Writes one shard a fold and copies those of test."""
    names = [shard_name(fold_name(k + 1), 0, 1, "jsonl.zst") for k in range(num_folds)]
    num_bytes = np.zeros(num_folds, np.int64)
    with ExitStack() as stack:
        shards = [stack.enter_context(open_shard(folds.file(name))) for name in names]
        position = 0
        for batch in _pooled(documents):
            for document in batch:
                fold = fold_of[position]
                position += 1
                num_bytes[fold] += sum(len(t.encode()) for t in texts_of(document))
                line = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
                shards[fold].write(line)
    counts = np.bincount(fold_of, minlength=num_folds).tolist()
    splits = {fold_name(k + 1): count for k, count in enumerate(counts)}
    sizes = {fold_name(k + 1): size for k, size in enumerate(num_bytes.tolist())}
    folds.records |= dict(zip(names, counts, strict=True))
    if "test" in documents.splits:
        splits["test"] = documents.splits["test"]
        sizes["test"] = documents.facts["text_bytes"]["test"]
        for shard in documents.shards("test"):
            shutil.copyfile(shard, folds.file(shard.name))
            folds.records[shard.name] = documents.records[shard.name]
    folds.facts |= {**documents.facts, "splits": splits, "text_bytes": sizes}


def _rare_labels(
    documents: Documents, labels: np.ndarray, groups: np.ndarray, num_folds: int
) -> list[str]:
    """Returns the labels that have fewer groups than there are folds."""
    cells = np.unique(groups * len(documents.labels) + labels)
    counts = np.bincount(cells % len(documents.labels), minlength=len(documents.labels))
    return [documents.labels[i] for i in np.flatnonzero(counts < num_folds)]


def _too_few(num_groups: int, config: FoldSplitterConfig) -> DataError:
    return DataError(
        f"folds: expected {config.num_folds} groups of labelled documents or more, got "
        f"{num_groups}; documents with the same {config.group_by} and near duplicates "
        "are one group: add documents, or set fewer folds"
    )
