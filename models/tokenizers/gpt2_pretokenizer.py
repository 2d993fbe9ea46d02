"""GPT-2's words by graph ops: texts become bytes, cut where GPT-2's pattern cuts them.

The pattern (Radford et al., 2019) is

    's|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+

and RE2, the graph's engine, has no look-ahead. But whether a word begins at a character
depends on its class, on those of its neighbours, and on the few letters that may follow
an apostrophe: a table of classes says it, for all characters at once. Words repeat, so
texts are first cut at spaces into chunks, and every distinct chunk is looked at once.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np
import tensorflow as tf

_OTHER, _LETTER, _NUMBER, _WHITE, _SPACE, _APOSTROPHE, _EDGE = range(7)
_INSIDE, _START, _MAYBE_CONTRACTION = range(3)
_WHITE_SPACE = (
    "9-d 20-20 85-85 a0-a0 1680-1680 2000-200a 2028-2029 202f-202f 205f-205f 3000-3000"
)
_NUM_POINTS = 0x110000


@lru_cache(maxsize=1)
def letters_and_numbers() -> tuple[str, str]:
    """Returns the ranges of ``\\p{L}`` and ``\\p{N}`` as Hugging Face has them."""
    from tokenizers import Regex, pre_tokenizers

    points = [point for point in range(_NUM_POINTS) if not 0xD800 <= point < 0xE000]
    everything = "".join(map(chr, points))
    found = []
    for name in ("L", "N"):
        split = pre_tokenizers.Split(Regex(rf"[^\p{{{name}}}]+"), "removed")
        spans = [span for _, span in split.pre_tokenize_str(everything)]
        found.append(" ".join(f"{points[a]:x}-{points[b - 1]:x}" for a, b in spans))
    return found[0], found[1]


def _ranges(text: str) -> list[tuple[int, int]]:
    pairs = (item.split("-") for item in text.split())
    return [(int(first, 16), int(last, 16)) for first, last in pairs]


def _class_table(letters: str, numbers: str) -> np.ndarray:
    """Returns the class of every code point up to the first beyond all ranges."""
    table = np.full(_NUM_POINTS, _OTHER, np.int32)
    for code, text in ((_LETTER, letters), (_NUMBER, numbers), (_WHITE, _WHITE_SPACE)):
        for first, last in _ranges(text):
            table[first : last + 1] = code
    table[ord(" ")], table[ord("'")] = _SPACE, _APOSTROPHE
    return table[: np.flatnonzero(table)[-1] + 2]


def _begins(before: int, at: int, after: int) -> int:
    """Says whether a word begins at a character, from its class and its neighbours'."""
    blank = (_WHITE, _SPACE)
    if before == _EDGE:
        begins = True
    elif at in blank:
        begins = before not in blank or after not in (*blank, _EDGE)
    elif before == _SPACE:
        begins = False
    else:
        other = (_OTHER, _APOSTROPHE)
        begins = not (before == at or (before in other and at in other))
    if begins and at == _APOSTROPHE and after == _LETTER:
        return _MAYBE_CONTRACTION
    return _START if begins else _INSIDE


class ByteWords:
    """Cuts texts to words, as graph ops."""

    def __init__(self, letters: str, numbers: str) -> None:
        self._classes = tf.constant(_class_table(letters, numbers))
        table = [_begins(*key) for key in product(range(7), repeat=3)]
        self._begins = tf.constant(table, tf.int32)
        white = "".join(rf"\x{{{a:x}}}-\x{{{b:x}}}" for a, b in _ranges(_WHITE_SPACE))
        self._open = f"(?s)(.*[{white}])?"

    def chunks(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.RaggedTensor]:
        """Cuts texts before spaces that follow no white space, where words always end.

        Returns:
            chunks ``[chunks]``, few of them twice, and for each text the indices of its
            own, int32 ``[n, None]``.
        """
        pieces = tf.strings.split(texts, " ")
        flat, rows = pieces.flat_values, pieces.row_starts()
        unique, index = tf.unique(flat)
        is_open = tf.gather(tf.strings.regex_full_match(unique, self._open), index)
        first = tf.scatter_nd(rows[:, None], tf.ones_like(rows), [tf.size(index)]) > 0
        start = first | ~_shift(is_open, True)
        alone = start & tf.concat([start, [True]], 0)[1:]
        spaced = tf.cast(~first, tf.int32)
        # A piece by itself is known by its number; runs of pieces are joined again.
        keys, key_index = tf.unique(tf.boolean_mask(2 * index + spaced, alone))
        single = _space(keys % 2) + tf.gather(unique, keys // 2)
        run = tf.boolean_mask(start, ~alone)
        joined = tf.strings.unsorted_segment_join(
            tf.boolean_mask(_space(spaced) + flat, ~alone),
            _before(run)[1:] - 1,
            _count(run),
        )
        is_single = tf.boolean_mask(alone, start)
        places = [tf.where(is_single)[:, 0], tf.where(~is_single)[:, 0]]
        numbers = [key_index, tf.range(tf.size(joined)) + tf.size(keys)]
        order = tf.dynamic_stitch([tf.cast(p, tf.int32) for p in places], numbers)
        splits = tf.gather(_before(start), pieces.row_splits)
        chunks = tf.concat([single, joined], 0)
        return chunks, tf.RaggedTensor.from_row_splits(order, splits, validate=False)

    def words(self, chunks: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Cuts chunks to words.

        Returns:
            the bytes of every word, int32 ``[words, None]``, and the first word of
            every chunk and of the end, int64 ``[chunks + 1]``.
        """
        joined = tf.strings.reduce_join(chunks)
        values = tf.cast(tf.io.decode_raw(joined, tf.uint8), tf.int32)
        sizes = tf.strings.length(chunks)
        decoded, offsets = tf.strings.unicode_decode_with_offsets(chunks, "UTF-8")
        points, owner = decoded.flat_values, _owners(decoded.row_splits)
        places = tf.cast(offsets.flat_values, tf.int32)
        places += tf.gather(tf.cumsum(sizes, exclusive=True), owner)
        begins = self._word_starts(points, owner)
        starts = tf.boolean_mask(places, begins)
        words = tf.RaggedTensor.from_row_starts(values, starts, validate=False)
        return words, tf.gather(_before(begins), decoded.row_splits)

    def _word_starts(self, points: tf.Tensor, owner: tf.Tensor) -> tf.Tensor:
        """Tells where words begin: bool ``[points]``; ``owner`` numbers the chunks."""
        code = tf.gather(self._classes, tf.minimum(points, tf.size(self._classes) - 1))
        edge = owner != _shift(owner, -1)
        before = tf.where(edge, _EDGE, _shift(code, _EDGE))
        last = tf.concat([edge, [True]], 0)[1:]
        after = tf.where(last, _EDGE, tf.concat([code, [_EDGE]], 0)[1:])
        found = tf.gather(self._begins, (before * 7 + code) * 7 + after)
        return self._contract(found, points, owner)

    def _contract(
        self, found: tf.Tensor, points: tf.Tensor, owner: tf.Tensor
    ) -> tf.Tensor:
        """Joins 's, 't, 'm, 'd, 're, 've and 'll, and begins a word behind them."""
        at = tf.where(found == _MAYBE_CONTRACTION)[:, 0]
        padded = tf.concat([points, [0, 0]], 0)
        owners = tf.concat([owner, [-1, -1]], 0)
        one, two = tf.gather(padded, at + 1), tf.gather(padded, at + 2)
        two = tf.where(tf.gather(owners, at + 2) == tf.gather(owner, at), two, 0)
        short = _is(one, "s") | _is(one, "t") | _is(one, "m") | _is(one, "d")
        long = (_is(one, "r") | _is(one, "v")) & _is(two, "e")
        long |= _is(one, "l") & _is(two, "l")
        some = short | long
        inner = tf.boolean_mask(at + 1, some)
        behind = tf.boolean_mask(at + 3 - tf.cast(short, at.dtype), some)
        begins = tf.concat([found != _INSIDE, [False, False]], 0)
        begins = tf.tensor_scatter_nd_update(
            begins, inner[:, None], tf.zeros_like(inner, tf.bool)
        )
        begins = tf.tensor_scatter_nd_update(
            begins, behind[:, None], tf.ones_like(behind, tf.bool)
        )
        return begins[:-2]


def _owners(splits: tf.Tensor) -> tf.Tensor:
    """Returns the row of every value; the library's needs rows times longest row."""
    ends, size = splits[1:-1], splits[-1:] + 1
    counts = tf.scatter_nd(ends[:, None], tf.ones_like(ends, tf.int32), size)
    return tf.cumsum(tf.reshape(counts, [-1]))[:-1]


def _is(points: tf.Tensor, letter: str) -> tf.Tensor:
    return points == ord(letter)


def _space(flags: tf.Tensor) -> tf.Tensor:
    return tf.gather(tf.constant(["", " "]), flags)


def _shift(values: tf.Tensor, first: object) -> tf.Tensor:
    """Moves values by one place to the right."""
    return tf.concat([tf.constant([first], values.dtype), values], 0)[:-1]


def _count(flags: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(flags, tf.int32))


def _before(flags: tf.Tensor) -> tf.Tensor:
    """Counts the flags before every place and before the end: int64 ``[n + 1]``."""
    return tf.concat([[0], tf.cumsum(tf.cast(flags, tf.int64))], 0)
