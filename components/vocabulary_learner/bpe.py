"""Byte-pair encoding over word counts: merges of the most frequent pairs.

The algorithm is Sennrich et al.'s (2016). Ties go to the pair that sorts first, so that
merges depend on the counts alone. Both WordPiece and byte-level BPE use it.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise

MIN_COUNT = 2
"""Smallest count of a pair to merge."""

Pair = tuple[str, str]
Join = Callable[[Pair], str]


class Merger:
    """Words as pieces, with up-to-date counts of adjacent pairs."""

    def __init__(self, words: Iterable[tuple[list[str], int]], join: Join) -> None:
        self._words, self._join = list(words), join
        self._totals: Counter[Pair] = Counter()
        self._places: defaultdict[Pair, set[int]] = defaultdict(set)
        for number, (pieces, count) in enumerate(self._words):
            for pair in pairwise(pieces):
                self._totals[pair] += count
                self._places[pair].add(number)

    def merges(self) -> Iterator[tuple[Pair, str]]:
        """Yields pairs and merged pieces, most frequent first, until none repeats."""
        heap = [(-total, pair) for pair, total in self._totals.items()]
        heapq.heapify(heap)
        while heap:
            total, pair = heapq.heappop(heap)
            current = -self._totals[pair]
            if current > total:  # Its count fell since it was pushed.
                heapq.heappush(heap, (current, pair))
                continue
            if -current < MIN_COUNT:
                return
            joined = self._join(pair)
            yield pair, joined
            for new in self._merge(pair, joined):
                heapq.heappush(heap, (-self._totals[new], new))

    def _merge(self, pair: Pair, joined: str) -> set[Pair]:
        """Joins a pair in all words; returns the new pairs."""
        totals, places, created = self._totals, self._places, set()
        for number in places.pop(pair):
            pieces, count = self._words[number]
            lost, won = _merge_word(pieces, pair, joined)
            for old in lost:
                totals[old] -= count
            for new in won:
                totals[new] += count
                places[new].add(number)
                created.add(new)
        totals[pair] = 0
        created.discard(pair)
        return created


def _merge_word(
    pieces: list[str], pair: Pair, joined: str
) -> tuple[list[Pair], list[Pair]]:
    """Joins a pair in a word; returns the pairs that vanished and the new ones."""
    first, second = pair
    lost: list[Pair] = []
    won: list[Pair] = []
    i = 0
    while i + 1 < len(pieces):
        if pieces[i] == first and pieces[i + 1] == second:
            pieces[i : i + 2] = [joined]
            if i:
                lost.append((pieces[i - 1], first))
                won.append((pieces[i - 1], joined))
            if i + 1 < len(pieces):
                lost.append((second, pieces[i + 1]))
                won.append((joined, pieces[i + 1]))
        i += 1
    return lost, won


def learn_merges(counts: Mapping[str, int], *, num_entries: int) -> list[Pair]:
    """Returns merges, in order, that create up to ``num_entries`` tokens."""
    words = [(list(word), count) for word, count in sorted(counts.items())]
    merges: list[Pair] = []
    products: set[str] = set()
    for pair, joined in Merger(words, "".join).merges():
        if len(products) >= num_entries:
            break
        merges.append(pair)
        products.add(joined)
    return merges
