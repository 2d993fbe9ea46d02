"""Clusters of near duplicates, and the representative of each.

Clusters are connected components, which depend on no order of documents or bands. A
rule chooses the representative: where the source gives the splits, test before eval
before train; then the longest; then the smallest hash of its id.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from textmill.components.ingester.dedup.config import NearConfig
from textmill.components.ingester.dedup.minhash import Verify, at_least
from textmill.components.ingester.spill_files import SpillFiles
from textmill.components.scratch import cached_path
from textmill.components.text.shingles import ngram_hashes


class DuplicateClusters:
    """Documents joined one band at a time; a document is known by its index."""

    def __init__(self, num_documents: int) -> None:
        self.labels = np.arange(num_documents)
        """The least index in each document's cluster; int64 [documents]."""
        self._rejected = np.zeros(0, np.int64)

    def join(self, keys: np.ndarray) -> None:
        """Joins the documents whose keys in one band, uint64 [documents], are equal."""
        members, splits = _groups(keys)
        self._join_pairs(np.repeat(members[splits[:-1]], np.diff(splits)), members)

    def join_verified(self, keys: np.ndarray, verify: Verify) -> None:
        """Joins the documents whose keys are equal and that form a true pair.

        The clusters are the components of all true pairs with a common key: pairs are
        left out only if they were rejected in another band, or are joined already. So
        a group of documents that are alike costs one comparison a member, and a group
        of g documents that are not costs g(g-1)/2.
        """
        members, splits = _groups(keys)
        rejected = [self._rejected]
        while len(members):
            labels, sizes = self.labels[members], np.diff(splits)
            first = np.repeat(splits[:-1], sizes)
            far = np.flatnonzero(labels != labels[first])
            pairs = np.stack([members[first[far]], members[far]], axis=1)
            pairs = pairs[~self._was_rejected(pairs)]
            true = verify(pairs)
            self._join_pairs(*pairs[true].T)
            rejected.append(self._code(pairs[~true]))
            members, splits = self._open_groups(members, splits)
        self._rejected = np.sort(np.concatenate(rejected))

    def _join_pairs(self, left: np.ndarray, right: np.ndarray) -> None:
        """Merges the clusters of pairs of documents, int64 [pairs]."""
        if not len(left):
            return
        size = len(self.labels)
        edges = (np.ones(len(left), bool), (self.labels[left], self.labels[right]))
        graph = coo_array(edges, shape=(size, size))
        num_components, component = connected_components(graph, directed=False)
        least = np.empty(num_components, np.int64)
        least[component[::-1]] = np.arange(size)[::-1]  # The last write wins.
        self.labels = least[component[self.labels]]

    def _open_groups(
        self, members: np.ndarray, splits: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Removes the first of every group, and groups that are joined completely."""
        labels, sizes = self.labels[members], np.diff(splits)
        rest = np.ones(len(members), bool)
        rest[splits[:-1]] = False
        beyond = np.where(rest, labels, labels[np.repeat(splits[:-1] + 1, sizes)])
        least = np.minimum.reduceat(beyond, splits[:-1])
        most = np.maximum.reduceat(beyond, splits[:-1])
        is_open = least != most
        members = members[rest & np.repeat(is_open, sizes)]
        return members, np.append(0, np.cumsum(sizes[is_open] - 1))

    def _code(self, pairs: np.ndarray) -> np.ndarray:
        low, high = np.minimum(*pairs.T), np.maximum(*pairs.T)
        return low * len(self.labels) + high

    def _was_rejected(self, pairs: np.ndarray) -> np.ndarray:
        codes = self._code(pairs)
        place = np.searchsorted(self._rejected, codes)
        return np.append(self._rejected, -1)[place] == codes


def _groups(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the indices of documents that share a key, group by group, and splits."""
    with_key = np.flatnonzero(keys)
    keys = keys[with_key]
    order = np.argsort(keys)
    keys = keys[order]
    new = np.ones(len(keys) + 1, bool)
    np.not_equal(keys[1:], keys[:-1], out=new[1:-1])
    begins = np.flatnonzero(new)
    sizes = np.diff(begins)
    shared = np.repeat(sizes > 1, sizes)
    splits = np.append(0, np.cumsum(sizes[sizes > 1]))
    return with_key[order[shared]], splits


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
