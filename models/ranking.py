"""Retrieval: the rank of each query's own text among all texts of a corpus.

A corpus holds every text once. A rank is filtered, as usual where a query may have
several right answers: other texts that belong to the same query do not compete, nor
does a text that equals the query. Of texts with equal scores the own one is the last,
so that a model that gives all texts one score finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

_CELLS_A_BLOCK = 1 << 23


@dataclass(frozen=True)
class Retrieval:
    """Queries, and the corpus that they are answered from.

    Attributes:
        texts: the distinct texts, in the order of their first occurrence.
        own: index of the text that belongs to each query, int64 ``[queries]``.
        excluded: by query, indices of texts that do not compete with its own.
    """

    texts: list[str]
    own: np.ndarray
    excluded: dict[int, np.ndarray]

    @classmethod
    def of(cls, queries: Sequence[str], texts: Sequence[str]) -> Retrieval:
        """Returns the retrieval of pairs: text i belongs to query i."""
        index: dict[str, int] = {}
        own = np.array([index.setdefault(text, len(index)) for text in texts], np.int64)
        right: dict[str, set[int]] = {}
        for query, number in zip(queries, own.tolist(), strict=True):
            right.setdefault(query, set()).add(number)
        excluded = {}
        for i, query in enumerate(queries):
            others = right[query] | ({index[query]} if query in index else set())
            if others := others - {int(own[i])}:
                excluded[i] = np.array(sorted(others), np.int64)
        return cls(list(index), own, excluded)

    def ranks(
        self, scores: Callable[[slice], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ranks the own text of each query.

        Args:
            scores: maps a slice of the queries to their scores of all texts,
                ``[queries, texts]``; the highest is the best.

        Returns:
            Ranks from 1, int32 ``[queries]``, and the index of the best text that
            competes, int64 ``[queries]``.
        """
        ranks = np.zeros(len(self.own), np.int32)
        best = np.zeros(len(self.own), np.int64)
        step = max(1, _CELLS_A_BLOCK // max(1, len(self.texts)))
        for start in range(0, len(self.own), step):
            block = slice(start, min(start + step, len(self.own)))
            values = np.array(scores(block), np.float32)
            for i in range(start, block.stop):
                if (others := self.excluded.get(i)) is not None:
                    values[i - start, others] = -np.inf
            own = np.take_along_axis(values, self.own[block, None], axis=1)
            # Written so that a NaN ranks last.
            ranks[block] = np.count_nonzero(~(values < own), axis=1)
            best[block] = values.argmax(axis=1)
        return ranks, best
