"""Clusters of duplicates: the connected components of documents with a common key.

They depend on no order of documents or keys.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from textmill.components.text.minhash import Verify


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
