"""Learns WordPiece tokens from word counts, with BERT's ``##`` inside words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from textmill.components.vocabulary_learner.bpe import MIN_COUNT, Merger, Pair

PREFIX = "##"


def learn_pieces(counts: Mapping[str, int], *, size: int) -> list[str]:
    """Returns up to ``size`` tokens: the sorted alphabet, then merges in order.

    The alphabet is the most frequent single characters, at most half of ``size``; other
    repeated characters come last, if merges leave room.
    """
    pieces: Counter[str] = Counter()
    words = [(_spell(word), count) for word, count in sorted(counts.items())]
    for spelled, count in words:
        for piece in spelled:
            pieces[piece] += count
    ranked = sorted(pieces, key=lambda piece: (-pieces[piece], piece))
    alphabet = set(ranked[: size // 2])
    tokens = dict.fromkeys(sorted(alphabet))
    known = [word for word in words if alphabet.issuperset(word[0])]
    for _, joined in Merger(known, _join).merges():
        if len(tokens) >= size:
            break
        tokens[joined] = None
    for piece in ranked[size // 2 :]:
        if len(tokens) < size and pieces[piece] >= MIN_COUNT:
            tokens[piece] = None
    return list(tokens)


def _spell(word: str) -> list[str]:
    return [word[0], *(PREFIX + character for character in word[1:])]


def _join(pair: Pair) -> str:
    return pair[0] + pair[1].removeprefix(PREFIX)
