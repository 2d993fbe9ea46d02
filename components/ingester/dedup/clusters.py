"""Clusters of near duplicates, and the representative of each.

A rule chooses the representative: where the source gives the splits, test before eval
before train; then the longest; then the smallest hash of its id.
"""

from __future__ import annotations

import numpy as np

from textmill.components.ingester.dedup.config import NearConfig
from textmill.components.ingester.spill_files import SpillFiles
from textmill.components.scratch import cached_path
from textmill.components.text.duplicate_clusters import DuplicateClusters
from textmill.components.text.minhash import at_least
from textmill.components.text.shingles import ngram_hashes
from textmill.models.texts import joined_text


def keep_order(rows: np.ndarray, *, by_split: bool) -> tuple[np.ndarray, ...]:
    """Returns the keys of the rule for ``numpy.lexsort``, the last one first."""
    longest = -rows["text_bytes"].astype(np.int64)
    keys = (rows["id_low"], rows["id_high"], longest, ~rows["labelled"])
    return (*keys, -rows["split"].astype(np.int64)) if by_split else keys


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
    keys = [np.load(cached_path(place), mmap_mode="r") for place in bands]
    edges = np.searchsorted(rows["part"], np.arange(len(keys) + 1))
    clusters = DuplicateClusters(len(rows))
    with SpillFiles(spills) as lines:

        def shingles(index: int) -> np.ndarray:
            text = joined_text(lines.document(rows[index]))
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
                clusters.join(column)
            else:
                clusters.join_verified(column, at_least(config.verify, shingles))
    return clusters


def representatives(
    rows: np.ndarray, labels: np.ndarray, *, by_split: bool
) -> np.ndarray:
    """Returns the index of the kept document of each row's cluster, int64 [rows]."""
    order = np.lexsort((*keep_order(rows, by_split=by_split), labels))
    first = np.ones(len(order), bool)
    first[1:] = labels[order[1:]] != labels[order[:-1]]
    chosen = np.empty(len(rows), np.int64)
    chosen[order] = order[first][np.cumsum(first) - 1]
    return chosen


def draw_splits(rows: np.ndarray, clusters: DuplicateClusters) -> None:
    """Assigns one split to every cluster: that of its smallest group hash.

    Documents of one group (``split.by``) stay together too, so that documents joined
    by either fall into the same split.
    """
    clusters.join(rows["group"])
    labels = clusters.labels
    order = np.lexsort((rows["id_low"], rows["id_high"], rows["group"], labels))
    first = np.ones(len(order), bool)
    first[1:] = labels[order[1:]] != labels[order[:-1]]
    rows["split"][order] = rows["split"][order[first]][np.cumsum(first) - 1]
