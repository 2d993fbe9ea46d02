"""Clustering: which documents say nearly the same, and which one of them stays.

The one that stays is chosen by rule, never by order: where the source gives the splits,
one of test before eval before train; then the longest; then the least hash of its id.
"""

from __future__ import annotations

import numpy as np

from textmill.components.artifacts import SPLITS
from textmill.components.ingester.dedup.config import NearConfig
from textmill.components.ingester.dedup.minhash import DuplicateClusters, at_least
from textmill.components.ingester.spill_files import SpillFiles
from textmill.components.scratch import local
from textmill.components.text.shingles import ngram_hashes


def precedence(rows: np.ndarray, *, by_split: bool) -> tuple[np.ndarray, ...]:
    """Returns the keys of the rule for ``numpy.lexsort``, the last one first."""
    longest = -rows["text_bytes"].astype(np.int64)
    last = len(SPLITS) - rows["split"].astype(np.int64) if by_split else longest
    return rows["id_low"], rows["id_high"], longest, last


def find_clusters(
    rows: np.ndarray, bands: list[str], spills: list[str], config: NearConfig
) -> DuplicateClusters:
    """Joins rows of INDEX that share a band; in memory is one band at a time.

    Args:
        rows: sorted by part and number.
        bands: for each part, the place of its band keys, uint64 [bands, documents],
            as .npy.
        spills: for each part, its lines, where pairs are verified.
        config: how near duplicates are found.
    """
    keys = [np.load(local(place), mmap_mode="r") for place in bands]
    edges = np.searchsorted(rows["part"], np.arange(len(keys) + 1))
    clusters = DuplicateClusters(len(rows))
    with SpillFiles(spills) as lines:

        def shingles(index: int) -> np.ndarray:
            text = lines.document(rows[index])["text"]
            return np.unique(ngram_hashes([text], config.ngrams).values)

        for band in range(config.bands):
            column = np.concatenate(
                [
                    np.zeros(0, np.uint64),
                    *(
                        part[band][rows["number"][begin:end]]
                        for part, begin, end in zip(
                            keys, edges[:-1], edges[1:], strict=True
                        )
                    ),
                ]
            )
            if config.verify is None:
                clusters.union_equal(column)
            else:
                clusters.union_verified(column, at_least(config.verify, shingles))
    return clusters


def heads(rows: np.ndarray, labels: np.ndarray, *, by_split: bool) -> np.ndarray:
    """Returns for every row the index of the one that stays of its cluster."""
    order = np.lexsort((*precedence(rows, by_split=by_split), labels))
    first = np.ones(len(order), bool)
    first[1:] = labels[order[1:]] != labels[order[:-1]]
    found = np.empty(len(rows), np.int64)
    found[order] = order[first][np.cumsum(first) - 1]
    return found


def draw_splits(rows: np.ndarray, clusters: DuplicateClusters) -> None:
    """Gives every cluster one split: that of the least group among its documents.

    Documents of one group (``split.by``) stay together too, so that what is joined by
    either falls into the same split.
    """
    clusters.union_equal(rows["group"])
    labels = clusters.labels()
    order = np.lexsort((rows["id_low"], rows["id_high"], rows["group"], labels))
    first = np.ones(len(order), bool)
    first[1:] = labels[order[1:]] != labels[order[:-1]]
    rows["split"][order] = rows["split"][order[first]][np.cumsum(first) - 1]
