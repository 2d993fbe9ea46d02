"""Shingles: keys of texts and hashes of n-grams of words, many texts at once.

The one n-gram engine: near duplicates, decontamination and the profiler's overlap use
it. A hash depends on the words alone (``word_hashing.py``): not on punctuation, white
space or the rest of the batch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from textmill.components.text.word_hashing import (
    Hashes,
    offsets,
    over_chunks,
    sums,
    word_hashes,
)
from textmill.models.hashing import mix64, odd_constant

# ASCII: white space as str.split sees it becomes a space, capitals small letters.
_FOLD = bytes(
    32 if chr(code).isspace() else ord(chr(code).lower()) for code in range(128)
) + bytes(range(128, 256))
_SPACES = re.compile(b"  +")
_GRAM, _PLACE, _SIZE = map(odd_constant, ("gram", "place", "size"))


def text_key(text: str) -> bytes:
    """Returns 16 bytes that two texts share if only case and white space differ.

    They are BLAKE2b of ``" ".join(text.casefold().split())``.
    """
    if text.isascii():
        folded = text.encode().translate(_FOLD).strip()
        if folded.find(b"  ") >= 0:
            folded = _SPACES.sub(b" ", folded)
    else:
        folded = " ".join(text.casefold().split()).encode()
    return blake2b(folded, digest_size=16).digest()


def ngram_hashes(texts: Sequence[str], n: int) -> Hashes:
    """Hashes every run of n words; one of all words of a shorter text."""
    return over_chunks(texts, lambda chunk: _ngrams(word_hashes(chunk), n))


def _ngrams(words: Hashes, n: int) -> Hashes:
    values, splits = words
    begins, sizes = splits[:-1], np.diff(splits)
    short = np.flatnonzero((sizes > 0) & (sizes < n))
    grams = np.zeros(len(values), np.uint64)
    if len(values) >= n:
        grams[: len(values) - n + 1] = _windows(values, n)
    keep = np.ones(len(values), bool)
    for back in range(1, n):  # no run begins at the last n-1 words of a text
        keep[splits[1:][sizes >= back] - back] = False
    keep[begins[short]] = True
    grams[begins[short]] = _heads(values, begins[short], sizes[short])
    counts = np.where(sizes < n, sizes > 0, sizes - (n - 1))
    return Hashes(mix64(grams[keep]), offsets(counts))


def sequence_hashes(words: Hashes) -> np.ndarray:
    """Hashes the whole sequence of each text's words; shape [texts], uint64."""
    values, splits = words
    sizes = np.diff(splits)
    place = np.arange(len(values)) - np.repeat(splits[:-1], sizes)
    placed = mix64(values + place.astype(np.uint64) * _PLACE)
    return mix64(sums(placed, splits) + sizes.astype(np.uint64) * _SIZE)


def _windows(values: np.ndarray, n: int) -> np.ndarray:
    """Evaluates the polynomial of every n neighbours, the first of the highest power.

    n is composed from its bits, lowest first: a wider piece precedes the narrower ones.
    """
    total, width = np.zeros(len(values) + 1, np.uint64), 0
    piece, size = values, 1
    while True:
        if n & size:
            width += size
            count = len(values) - width + 1
            total = piece[:count] * _power(width - size) + total[size : size + count]
        if width == n:
            return total
        piece = piece[:-size] * _power(size) + piece[size:]
        size *= 2


def _power(exponent: int) -> np.uint64:
    return np.uint64(pow(_GRAM, exponent, 1 << 64))


def _heads(values: np.ndarray, begins: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Evaluates the polynomial of the first ``sizes`` words of each text."""
    total = values[begins]
    for place in range(1, int(sizes.max(initial=0))):
        more = np.flatnonzero(sizes > place)
        total[more] = total[more] * _GRAM + values[begins[more] + place]
    return total
