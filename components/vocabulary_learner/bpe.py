"""Byte-pair encoding over word counts: merges of the most frequent pairs.

The algorithm is Sennrich et al.'s (2016). Ties go to the pair that sorts first, so that
merges depend on the counts alone. WordPiece and byte-level BPE learn by it.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise

MIN_COUNT = 2
"""How often a pair must stand together to be merged."""

Pair = tuple[str, str]
Join = Callable[[Pair], str]


class Merger:
    """Words as pieces, with the counts of neighbouring pairs kept up to date."""

    def __init__(self, words: Iterable[tuple[list[str], int]], join: Join) -> None:
        self._words, self._join = list(words), join
        self._totals: Counter[Pair] = Counter()
        self._places: defaultdict[Pair, set[int]] = defaultdict(set)
        for number, (pieces, count) in enumerate(self._words):
            for pair in pairwise(pieces):
                self._totals[pair] += count
                self._places[pair].add(number)

    def merges(self) -> Iterator[tuple[Pair, str]]:
        """Yields pairs and what they make, most frequent first, until none repeats."""
        heap = [(-total, pair) for pair, total in self._totals.items()]
        heapq.heapify(heap)
        while heap:
            total, pair = heapq.heappop(heap)
            now = -self._totals[pair]
            if now > total:  # It became rarer since it was put there.
                heapq.heappush(heap, (now, pair))
                continue
            if -now < MIN_COUNT:
                return
            joined = self._join(pair)
            yield pair, joined
            for made in self._merge(pair, joined):
                heapq.heappush(heap, (-self._totals[made], made))

    def _merge(self, pair: Pair, joined: str) -> set[Pair]:
        """Joins a pair everywhere and returns the pairs that this makes."""
        totals, places, made = self._totals, self._places, set()
        for number in places.pop(pair):
            pieces, count = self._words[number]
            lost, won = _merge_word(pieces, pair, joined)
            for old in lost:
                totals[old] -= count
            for new in won:
                totals[new] += count
                places[new].add(number)
                made.add(new)
        totals[pair] = 0
        made.discard(pair)
        return made


def _merge_word(
    pieces: list[str], pair: Pair, joined: str
) -> tuple[list[Pair], list[Pair]]:
    """Joins a pair in a word; returns the neighbours that are no more, and new ones."""
    first, second = pair
    lost: list[Pair] = []
    won: list[Pair] = []
    at = 0
    while at + 1 < len(pieces):
        if pieces[at] == first and pieces[at + 1] == second:
            pieces[at : at + 2] = [joined]
            if at:
                lost.append((pieces[at - 1], first))
                won.append((pieces[at - 1], joined))
            if at + 1 < len(pieces):
                lost.append((second, pieces[at + 1]))
                won.append((joined, pieces[at + 1]))
        at += 1
    return lost, won


def learn_merges(counts: Mapping[str, int], *, num_entries: int) -> list[Pair]:
    """Returns the merges that make up to so many entries, in their order."""
    words = [(list(word), count) for word, count in sorted(counts.items())]
    merges: list[Pair] = []
    products: set[str] = set()
    for pair, joined in Merger(words, "".join).merges():
        if len(products) >= num_entries:
            break
        merges.append(pair)
        products.add(joined)
    return merges
