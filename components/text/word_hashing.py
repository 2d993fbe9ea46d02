"""Word hashes: the words of many texts at once, and a hash of each.

A word is a run of letters, marks and digits, case folded. A character of a script
without spaces is a word of its own; format characters (soft hyphens, joiners) are
ignored; everything else separates words. The hash of a word depends on its UTF-8 bytes
alone. All work is on arrays, with no Python code per word.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np

from textmill.models.hashing import mix64, odd_constant
from textmill.models.unspaced import UNSPACED

_SEPARATOR, _LETTER, _ALONE, _IGNORED = range(4)
_NUM_KINDS = 0x40000

_CHUNK_CHARS = 1 << 18
_LONGEST = 64
"""Bytes of a word that are hashed as an array; a longer one is rare, or hostile."""

# ASCII: capitals become small letters; all but letters and digits become 0.
_WORDS = bytes(
    ord(chr(code).lower()) if code < 128 and chr(code).isalnum() else 0
    for code in range(256)
)


_WORD, _LENGTH = map(odd_constant, ("word", "length"))
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)


class Hashes(NamedTuple):
    """Hashes of parts of texts: those of text i are values[splits[i]:splits[i+1]]."""

    values: np.ndarray
    """uint64 [m]"""
    splits: np.ndarray
    """int64 [texts + 1]"""


def normalize(text: str) -> bytes:
    """Returns the words of a text as UTF-8 with single spaces between them."""
    words = (_narrow_words if text.isascii() else _wide_words)([text])
    spans = zip(words.begins.tolist(), words.ends.tolist(), strict=True)
    return b" ".join(words.buffer[begin:end] for begin, end in spans)


def word_hashes(texts: Sequence[str]) -> Hashes:
    """Hashes every word of every text."""
    return over_chunks(texts, _words)


def offsets(counts: np.ndarray) -> np.ndarray:
    """Returns the row splits of parts with these counts; int64 [n + 1]."""
    splits = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=splits[1:])
    return splits


def sums(values: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Sums the values of each part; an empty part's sum is 0."""
    totals = np.zeros(len(splits) - 1, values.dtype)
    full = np.flatnonzero(np.diff(splits))
    if len(full):
        totals[full] = np.add.reduceat(values, splits[full])
    return totals


class _Words(NamedTuple):
    buffer: bytes
    begins: np.ndarray
    ends: np.ndarray
    counts: np.ndarray


def over_chunks(
    texts: Sequence[str], hash_chunk: Callable[[Sequence[str]], Hashes]
) -> Hashes:
    """Hashes texts in chunks that fit a processor's cache."""
    begins, held = [0], 0
    for i, size in enumerate(map(len, texts)):
        if held >= _CHUNK_CHARS:
            begins.append(i)
            held = 0
        held += size
    if len(begins) == 1:
        return hash_chunk(texts)
    bounds = [*begins, len(texts)]
    parts = [hash_chunk(texts[a:b]) for a, b in pairwise(bounds)]
    counts = np.concatenate([np.diff(part.splits) for part in parts])
    return Hashes(np.concatenate([part.values for part in parts]), offsets(counts))


def _words(texts: Sequence[str]) -> Hashes:
    narrow = np.fromiter(map(str.isascii, texts), bool, len(texts))
    if narrow.all():
        words = _narrow_words(texts)
        return Hashes(_hash_words(words), offsets(words.counts))
    if not narrow.any():
        words = _wide_words(texts)
        return Hashes(_hash_words(words), offsets(words.counts))
    order = np.concatenate([np.flatnonzero(narrow), np.flatnonzero(~narrow)])
    some = _narrow_words([texts[i] for i in order[: narrow.sum()]])
    rest = _wide_words([texts[i] for i in order[narrow.sum() :]])
    values = np.concatenate([_hash_words(some), _hash_words(rest)])
    counts = np.concatenate([some.counts, rest.counts])
    back = np.argsort(order)
    splits = offsets(counts[back])
    shift = np.repeat(offsets(counts)[back] - splits[:-1], counts[back])
    return Hashes(values[np.arange(len(values)) + shift], splits)


def _narrow_words(texts: Sequence[str]) -> _Words:
    """Finds the words of ASCII texts."""
    buffer = b"\0%b\0" % "\n".join(texts).encode().translate(_WORDS)
    inside = np.frombuffer(buffer, np.uint8) != 0
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    begins, ends = edges[0::2], edges[1::2]
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    counts = np.diff(np.searchsorted(begins, offsets(sizes + 1) + 1))
    return _Words(buffer, begins, ends, counts)


def _wide_words(texts: Sequence[str]) -> _Words:
    """Finds the words of texts of any script."""
    folded = [text.casefold() for text in texts]
    sizes = np.fromiter(map(len, folded), np.int64, len(texts))
    raw = "\n".join(["", *folded, ""]).encode("utf-32-le", "surrogatepass")
    points = np.frombuffer(raw, "<u4")
    kinds = _kinds()[np.minimum(points, _NUM_KINDS)]
    bounds = offsets(sizes + 1) + 1
    is_text = kinds != _IGNORED
    if not is_text.all():
        bounds = offsets(is_text)[bounds]
        points, kinds = points[is_text], kinds[is_text]
    inside, alone = kinds != _SEPARATOR, kinds == _ALONE
    edge = inside[1:] != inside[:-1]
    edge |= (alone[1:] | alone[:-1]) & inside[1:] & inside[:-1]
    begins = np.flatnonzero(edge & inside[1:]) + 1
    ends = np.flatnonzero(edge & inside[:-1]) + 1
    counts = np.diff(np.searchsorted(begins, bounds))
    widths = np.ones(len(points), np.uint8)
    for bound in (0x80, 0x800, 0x10000):
        widths += points >= bound
    byte_offsets = offsets(widths)
    text = points.tobytes().decode("utf-32-le", "surrogatepass")
    return _Words(
        text.encode("utf-8", "surrogatepass"),
        byte_offsets[begins],
        byte_offsets[ends],
        counts,
    )


@lru_cache(maxsize=1)
def _kinds() -> np.ndarray:
    """Returns the kind of every code point, the last one for planes 4 to 16."""
    kinds = np.zeros(_NUM_KINDS + 1, np.uint8)
    for code in range(0x20000):
        category = unicodedata.category(chr(code))
        if category == "Cf":
            kinds[code] = _IGNORED
        elif category[0] in "LMN":
            kinds[code] = _LETTER
    kinds[0xFE00:0xFE10] = _IGNORED  # variation selectors
    kinds[0x20000:_NUM_KINDS] = _LETTER
    kinds[_NUM_KINDS] = _IGNORED  # tags, variation selectors, private use
    for begin, end in chain.from_iterable(UNSPACED.values()):
        letters = kinds[begin:end]
        letters[letters == _LETTER] = _ALONE
    return kinds


def _hash_words(words: _Words) -> np.ndarray:
    """Hashes words by groups of eight bytes, the last one padded with zeros."""
    buffer, begins, ends, _ = words
    padded = buffer + bytes(8)
    groups = np.ndarray(len(buffer) + 1, "<u8", padded, strides=(1,))
    sizes = ends - begins
    hashes = sizes.astype(np.uint64) * _LENGTH
    hashes ^= groups[begins] & _MASKS[np.minimum(sizes, 8)]
    hashes *= _WORD
    longer, done = np.flatnonzero(sizes > 8), 8
    while len(longer) and done < _LONGEST:
        rest = sizes[longer] - done
        group = groups[begins[longer] + done] & _MASKS[np.minimum(rest, 8)]
        hashes[longer] = (mix64(hashes[longer]) ^ group) * _WORD
        longer, done = longer[rest > 8], done + 8
    for i in longer.tolist():
        digest = blake2b(buffer[begins[i] : ends[i]], digest_size=8).digest()
        hashes[i] = int.from_bytes(digest, "little")
    return mix64(hashes)
