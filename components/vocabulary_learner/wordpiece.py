"""Learning WordPiece entries from word counts, with BERT's ``##`` inside words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from textmill.components.vocabulary_learner.bpe import MIN_COUNT, Merger, Pair

PREFIX = "##"


def learn_pieces(counts: Mapping[str, int], *, size: int) -> list[str]:
    """Returns up to ``size`` entries: the alphabet, sorted, then merges in their order.

    The alphabet takes half the size at most, its most frequent pieces of one character;
    others that repeat come last, if merges leave room.
    """
    pieces: Counter[str] = Counter()
    words = [(_spell(word), count) for word, count in sorted(counts.items())]
    for spelt, count in words:
        for piece in spelt:
            pieces[piece] += count
    ranked = sorted(pieces, key=lambda piece: (-pieces[piece], piece))
    kept = set(ranked[: size // 2])
    entries = dict.fromkeys(sorted(kept))
    known = [word for word in words if kept.issuperset(word[0])]
    for _, joined in Merger(known, _join).merges():
        if len(entries) >= size:
            break
        entries[joined] = None
    for piece in ranked[size // 2 :]:
        if len(entries) < size and pieces[piece] >= MIN_COUNT:
            entries[piece] = None
    return list(entries)


def _spell(word: str) -> list[str]:
    return [word[0], *(PREFIX + character for character in word[1:])]


def _join(pair: Pair) -> str:
    return pair[0] + pair[1].removeprefix(PREFIX)
