"""Removes repeated passages: paragraphs, or runs of three sentences.

A span with the words of an earlier one, in a document of lower rank or further up in
the same one, is a repeat (three sentences: Raffel et al. 2020, section 2.2). Everything
is linear in the length of a text, and order matters only through the ranks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from textmill.components.text.sentences import sentences
from textmill.components.text.shingles import sequence_hashes
from textmill.components.text.word_hashing import offsets, word_hashes
from textmill.models.hashing import mix64, odd_constant

Unit = Literal["paragraphs", "sentences"]

WINDOWS: dict[Unit, int] = {"paragraphs": 1, "sentences": 3}
"""How many neighbours make a span."""

_SENTENCE = odd_constant("sentence")
_BLANK_LINE = re.compile(r"\n\s*\n")
_LINE_END = re.compile(r"\n")


class Passages(NamedTuple):
    """Hashes of spans: those of text i are hashes[splits[i]:splits[i+1]]."""

    hashes: np.ndarray
    """uint64 [m]"""
    positions: np.ndarray
    """The place of a span's first unit among those of its text; int64 [m]."""
    splits: np.ndarray
    """int64 [texts + 1]"""


def paragraphs(text: str) -> list[tuple[int, int]]:
    """Returns begin and end of paragraphs: parts between blank lines, or else lines."""
    begin, end = len(text) - len(text.lstrip()), len(text.rstrip())
    pattern = _BLANK_LINE if _BLANK_LINE.search(text, begin, end) else _LINE_END
    spans = []
    for match in pattern.finditer(text, begin, end):
        spans.append((begin, match.start()))
        begin = match.end()
    spans.append((begin, end))
    return [(a, b) for a, b in spans if a < b and not text[a:b].isspace()]


_FINDERS: dict[Unit, Callable[[str], list[tuple[int, int]]]] = {
    "paragraphs": paragraphs,
    "sentences": sentences,
}


def span_hashes(texts: Sequence[str], unit: Unit, *, min_words: int = 5) -> Passages:
    """Hashes the words of each paragraph, or of every three sentences in a row.

    Spans of fewer than min_words words are left out.
    """
    units_of = [_FINDERS[unit](text) for text in texts]
    words = word_hashes(
        [
            text[begin:end]
            for text, spans in zip(texts, units_of, strict=True)
            for begin, end in spans
        ]
    )
    num_units = np.fromiter(map(len, units_of), np.int64, len(texts))
    text = np.repeat(np.arange(len(texts)), num_units)
    position = np.arange(len(text)) - np.repeat(offsets(num_units)[:-1], num_units)
    units, width = sequence_hashes(words), WINDOWS[unit]
    count = max(len(units) - width + 1, 0)
    hashes = units[:count]
    for k in range(1, width):
        hashes = mix64(hashes * _SENTENCE) + units[k : k + count]
    keep = text[:count] == text[width - 1 :]
    keep &= words.splits[width:] - words.splits[:-width] >= min_words
    num_spans = np.bincount(text[:count][keep], minlength=len(texts))
    return Passages(hashes[keep], position[:count][keep], offsets(num_spans))


def repeated(
    hashes: np.ndarray, ranks: np.ndarray, positions: np.ndarray, *, width: int = 1
) -> np.ndarray:
    """Marks the spans that are not the first of their hash by (rank, position); bool.

    Args:
        hashes: uint64 [m].
        ranks: of each span's document: a lower one is first; int64 [m].
        positions: of each span in its document; int64 [m].
        width: units a span. A repeat that overlaps the first in the same document is
            not marked, for cutting it would cut the first one too.
    """
    order = np.lexsort((positions, ranks, hashes))
    hashes, ranks, positions = hashes[order], ranks[order], positions[order]
    new = np.ones(len(hashes), bool)
    np.not_equal(hashes[1:], hashes[:-1], out=new[1:])
    first = np.flatnonzero(new)[np.cumsum(new) - 1]
    overlaps = (ranks == ranks[first]) & (positions - positions[first] < width)
    marks = np.zeros(len(hashes), bool)
    marks[order] = ~overlaps
    return marks


def cut(text: str, positions: Iterable[int], unit: Unit) -> tuple[str, int]:
    """Returns a text without the spans at these positions, and the number of units.

    Of the white space around a removed part, the piece with the most line ends stays.
    """
    units = _FINDERS[unit](text)
    gone = {place + k for place in positions for k in range(WINDOWS[unit])}
    rest = [i for i in range(len(units)) if i not in gone]
    if len(rest) == len(units):
        return text, 0
    if not rest:
        return "", len(units)
    gaps = [text[a:b] for (_, a), (b, _) in pairwise(units)]
    pieces = [text[: units[0][0]]] if rest[0] == 0 else []
    for i, following in pairwise([*rest, len(units)]):
        pieces.append(text[slice(*units[i])])
        between = gaps[i:following] if following < len(units) else []
        pieces.append(max(between, key=lambda gap: gap.count("\n"), default=""))
    if rest[-1] == len(units) - 1:
        pieces.append(text[units[-1][1] :])
    return "".join(pieces), len(units) - len(rest)
