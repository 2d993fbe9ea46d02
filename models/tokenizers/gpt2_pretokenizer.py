"""GPT-2's pre-tokenizer as graph ops: texts become words of bytes.

The pattern (Radford et al., 2019) is

    's|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+

and RE2, the graph's engine, has no look-ahead. But a word's beginning depends only on
the classes of a character and its neighbours, and on the few letters that may follow an
apostrophe: a table lookup finds it for all characters at once. Words repeat, so texts
are first split at spaces into chunks, and every distinct chunk is split once.
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
    """Returns the ranges of ``\\p{L}`` and ``\\p{N}`` in Hugging Face's tables."""
    from tokenizers import Regex, pre_tokenizers

    points = [point for point in range(_NUM_POINTS) if not 0xD800 <= point < 0xE000]
    everything = "".join(map(chr, points))
    ranges = []
    for name in ("L", "N"):
        split = pre_tokenizers.Split(Regex(rf"[^\p{{{name}}}]+"), "removed")
        spans = [span for _, span in split.pre_tokenize_str(everything)]
        ranges.append(" ".join(f"{points[a]:x}-{points[b - 1]:x}" for a, b in spans))
    return ranges[0], ranges[1]


def _ranges(text: str) -> list[tuple[int, int]]:
    pairs = (item.split("-") for item in text.split())
    return [(int(first, 16), int(last, 16)) for first, last in pairs]


def _class_table(letters: str, numbers: str) -> np.ndarray:
    """Returns the class of every code point, up to the first after all ranges."""
    table = np.full(_NUM_POINTS, _OTHER, np.int32)
    for code, text in ((_LETTER, letters), (_NUMBER, numbers), (_WHITE, _WHITE_SPACE)):
        for first, last in _ranges(text):
            table[first : last + 1] = code
    table[ord(" ")], table[ord("'")] = _SPACE, _APOSTROPHE
    return table[: np.flatnonzero(table)[-1] + 2]


def _begins(before: int, code: int, after: int) -> int:
    """Returns true if a word begins at a character of this class."""
    blank = (_WHITE, _SPACE)
    if before == _EDGE:
        begins = True
    elif code in blank:
        begins = before not in blank or after not in (*blank, _EDGE)
    elif before == _SPACE:
        begins = False
    else:
        other = (_OTHER, _APOSTROPHE)
        begins = not (before == code or (before in other and code in other))
    if begins and code == _APOSTROPHE and after == _LETTER:
        return _MAYBE_CONTRACTION
    return _START if begins else _INSIDE


class ByteWords:
    """Splits texts into words by graph ops."""

    def __init__(self, letters: str, numbers: str) -> None:
        self._classes = tf.constant(_class_table(letters, numbers))
        table = [_begins(*key) for key in product(range(7), repeat=3)]
        self._begins = tf.constant(table, tf.int32)
        white = "".join(rf"\x{{{a:x}}}-\x{{{b:x}}}" for a, b in _ranges(_WHITE_SPACE))
        self._open = f"(?s)(.*[{white}])?"

    def chunks(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.RaggedTensor]:
        """Splits texts before spaces that do not follow white space, where words end.

        Returns:
            chunks ``[chunks]``, mostly distinct, and the indices of each text's chunks,
            int32 ``[n, None]``.
        """
        pieces = tf.strings.split(texts, " ")
        flat, rows = pieces.flat_values, pieces.row_starts()
        unique, index = tf.unique(flat)
        is_open = tf.gather(tf.strings.regex_full_match(unique, self._open), index)
        first = tf.scatter_nd(rows[:, None], tf.ones_like(rows), [tf.size(index)]) > 0
        start = first | ~_shift(is_open, True)
        alone = start & tf.concat([start, [True]], 0)[1:]
        spaced = tf.cast(~first, tf.int32)
        # Single pieces are identified by number; runs of pieces are joined again.
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
        """Splits chunks into words.

        Returns:
            the bytes of every word, int32 ``[words, None]``, and the index of every
            chunk's first word, with the total, int64 ``[chunks + 1]``.
        """
        joined = tf.strings.reduce_join(chunks)
        values = tf.cast(tf.io.decode_raw(joined, tf.uint8), tf.int32)
        sizes = tf.strings.length(chunks)
        decoded, offsets = tf.strings.unicode_decode_with_offsets(chunks, "UTF-8")
        points, owner = decoded.flat_values, row_of_values(decoded.row_splits)
        places = tf.cast(offsets.flat_values, tf.int32)
        places += tf.gather(tf.cumsum(sizes, exclusive=True), owner)
        begins = self._word_starts(points, owner)
        starts = tf.boolean_mask(places, begins)
        words = tf.RaggedTensor.from_row_starts(values, starts, validate=False)
        return words, tf.gather(_before(begins), decoded.row_splits)

    def _word_starts(self, points: tf.Tensor, owner: tf.Tensor) -> tf.Tensor:
        """Marks word starts, bool ``[points]``; ``owner`` is the chunk's index."""
        code = tf.gather(self._classes, tf.minimum(points, tf.size(self._classes) - 1))
        edge = owner != _shift(owner, -1)
        before = tf.where(edge, _EDGE, _shift(code, _EDGE))
        last = tf.concat([edge, [True]], 0)[1:]
        after = tf.where(last, _EDGE, tf.concat([code, [_EDGE]], 0)[1:])
        kinds = tf.gather(self._begins, (before * 7 + code) * 7 + after)
        return self._contract(kinds, points, owner)

    def _contract(
        self, kinds: tf.Tensor, points: tf.Tensor, owner: tf.Tensor
    ) -> tf.Tensor:
        """Joins 's, 't, 'm, 'd, 're, 've and 'll, and begins a word after them."""
        apostrophes = tf.where(kinds == _MAYBE_CONTRACTION)[:, 0]
        padded = tf.concat([points, [0, 0]], 0)
        owners = tf.concat([owner, [-1, -1]], 0)
        one, two = (
            tf.gather(padded, apostrophes + 1),
            tf.gather(padded, apostrophes + 2),
        )
        two = tf.where(
            tf.gather(owners, apostrophes + 2) == tf.gather(owner, apostrophes), two, 0
        )
        short = _is(one, "s") | _is(one, "t") | _is(one, "m") | _is(one, "d")
        long = (_is(one, "r") | _is(one, "v")) & _is(two, "e")
        long |= _is(one, "l") & _is(two, "l")
        some = short | long
        inner = tf.boolean_mask(apostrophes + 1, some)
        following = tf.boolean_mask(
            apostrophes + 3 - tf.cast(short, apostrophes.dtype), some
        )
        begins = tf.concat([kinds != _INSIDE, [False, False]], 0)
        begins = tf.tensor_scatter_nd_update(
            begins, inner[:, None], tf.zeros_like(inner, tf.bool)
        )
        begins = tf.tensor_scatter_nd_update(
            begins, following[:, None], tf.ones_like(following, tf.bool)
        )
        return begins[:-2]


def row_of_values(splits: tf.Tensor) -> tf.Tensor:
    """Returns the row of every value; the library's op needs rows x longest row."""
    ends, size = splits[1:-1], splits[-1:] + 1
    counts = tf.scatter_nd(ends[:, None], tf.ones_like(ends, tf.int32), size)
    return tf.cumsum(tf.reshape(counts, [-1]))[:-1]


def _is(points: tf.Tensor, letter: str) -> tf.Tensor:
    return points == ord(letter)


def _space(flags: tf.Tensor) -> tf.Tensor:
    return tf.gather(tf.constant(["", " "]), flags)


def _shift(values: tf.Tensor, first: object) -> tf.Tensor:
    """Shifts values right by one position."""
    return tf.concat([tf.constant([first], values.dtype), values], 0)[:-1]


def _count(flags: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(flags, tf.int32))


def _before(flags: tf.Tensor) -> tf.Tensor:
    """Counts the flags before every position and the end, int64 ``[n + 1]``."""
    return tf.concat([[0], tf.cumsum(tf.cast(flags, tf.int64))], 0)
