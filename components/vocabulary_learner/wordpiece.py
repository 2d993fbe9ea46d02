"""Learning WordPiece entries from word counts: merges of the most frequent pairs.

The algorithm is byte-pair encoding (Sennrich et al., 2016) over characters, with BERT's
``##`` before pieces that continue a word. Ties go to the pair that sorts first, so that
the entries depend on the counts alone.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import pairwise

PREFIX = "##"
_MIN_COUNT = 2

Pair = tuple[str, str]


def learn_pieces(counts: Mapping[str, int], *, size: int) -> list[str]:
    """Returns up to ``size`` entries: the alphabet, sorted, then merges in their order.

    Characters beyond half the size, the rarest ones, are left out.
    """
    words, alphabet = _spell(counts, limit=size // 2)
    entries = dict.fromkeys(sorted(alphabet)[:size])
    totals: Counter[Pair] = Counter()
    places: defaultdict[Pair, set[int]] = defaultdict(set)
    for number, (pieces, count) in enumerate(words):
        for pair in pairwise(pieces):
            totals[pair] += count
            places[pair].add(number)
    heap = [(-total, pair) for pair, total in totals.items()]
    heapq.heapify(heap)
    while heap and len(entries) < size:
        total, pair = heapq.heappop(heap)
        if -total != totals[pair]:
            continue
        if -total < _MIN_COUNT:
            break
        entries[_join(pair)] = None
        for changed in _merge(pair, words, totals, places):
            heapq.heappush(heap, (-totals[changed], changed))
    return list(entries)


def _spell(
    counts: Mapping[str, int], *, limit: int
) -> tuple[list[tuple[list[str], int]], set[str]]:
    """Returns words as pieces of one character, and the pieces that they need."""
    characters: Counter[str] = Counter()
    for word, count in counts.items():
        for character in word:
            characters[character] += count
    ranked = sorted(characters, key=lambda c: (-characters[c], c))
    kept = set(ranked[:limit])
    words = [
        ([word[0], *(PREFIX + c for c in word[1:])], count)
        for word, count in sorted(counts.items())
        if kept.issuperset(word)
    ]
    return words, {piece for pieces, _ in words for piece in pieces}


def _join(pair: Pair) -> str:
    return pair[0] + pair[1].removeprefix(PREFIX)


def _merge(
    pair: Pair,
    words: list[tuple[list[str], int]],
    totals: Counter[Pair],
    places: defaultdict[Pair, set[int]],
) -> set[Pair]:
    """Joins a pair everywhere and returns the pairs whose totals changed."""
    joined, changed = _join(pair), set()
    for number in places.pop(pair):
        pieces, count = words[number]
        merged: list[str] = []
        at = 0
        while at < len(pieces):
            here = at + 1 < len(pieces) and (pieces[at], pieces[at + 1]) == pair
            merged.append(joined if here else pieces[at])
            at += 2 if here else 1
        for old in pairwise(pieces):
            totals[old] -= count
            changed.add(old)
        for new in pairwise(merged):
            totals[new] += count
            places[new].add(number)
            changed.add(new)
        words[number] = merged, count
    changed.discard(pair)
    del totals[pair]
    return changed
