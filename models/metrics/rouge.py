"""ROUGE: the mean F1 of n-grams, or of the longest common subsequence (Lin, 2004).

Values equal those of the package rouge-score (without stemming) on English text. Words
are those of ``words``, so that Chinese, of which rouge-score keeps nothing, is compared
character by character.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import Metric, PredictedRows
from textmill.models.metrics.words import words


class Rouge(Metric):
    """Base class: the mean over texts of an F1 of shared parts."""

    def shared(self, text: Sequence[str], reference: Sequence[str]) -> tuple[int, ...]:
        """Returns the numbers of shared parts, of the text's and the reference's."""
        raise NotImplementedError

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        pairs = zip(rows["text"], rows["target"], strict=True)
        scores = [_f1(*self.shared(words(a), words(b))) for a, b in pairs]
        return np.stack([np.array(scores, np.float64), np.ones(len(rows))])


class RougeN(Rouge):
    """Base class: shared n-grams, each as often as both texts have it."""

    order: int

    @override
    def shared(self, text: Sequence[str], reference: Sequence[str]) -> tuple[int, ...]:
        first, second = (self._ngrams(part) for part in (text, reference))
        return (first & second).total(), first.total(), second.total()

    def _ngrams(self, parts: Sequence[str]) -> Counter[tuple[str, ...]]:
        starts = (parts[i:] for i in range(self.order))
        return Counter(zip(*starts, strict=False))


class Rouge1(RougeN):
    """Words."""

    order = 1


class Rouge2(RougeN):
    """Pairs of neighboring words."""

    order = 2


class RougeL(Rouge):
    """Words of the longest common subsequence."""

    @override
    def shared(self, text: Sequence[str], reference: Sequence[str]) -> tuple[int, ...]:
        return _longest_common(text, reference), len(text), len(reference)


def _f1(shared: int, given: int, wanted: int) -> float:
    return 2.0 * shared / (given + wanted) if shared else 0.0


def _longest_common(first: Sequence[str], second: Sequence[str]) -> int:
    """Returns the length of the longest common subsequence.

    Rows of the table are the bits of one integer (Hyyrö, 2004), so that a text of a
    thousand words takes a thousand steps.
    """
    places: dict[str, int] = {}
    for i, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << i
    every = (1 << len(first)) - 1
    row = every
    for word in second:
        matches = row & places.get(word, 0)
        row = ((row + matches) | (row - matches)) & every
    return len(first) - row.bit_count()
