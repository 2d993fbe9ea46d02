"""Byte offsets of tokens in the text as given, and their code points, in the graph.

Ids come from normalized text, in which characters may be folded, composed, decomposed
or dropped. The way back needs one fact of Unicode: decomposition takes each character
by itself. So a text and its composition have one decomposition, whose bytes number
the characters of both: a token's bytes lead to characters of the normalized text, these
to bytes of the decomposition, and these to characters of the text.

Texts ``[n]`` are handled as one: bytes and characters count from the first text's
beginning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from textmill.models.tokenizers.gpt2_pretokenizer import row_of_values

_SPACES = r"[\s\p{Z}\p{Cc}\p{Cf}]"
_WHITE_SPACE = r"[\s\x0b\x1c-\x1f\x{85}\p{Z}]"  # as Python's ``isspace``


@dataclass(frozen=True)
class Ranges:
    """Half-open ranges of bytes or characters: int32 ``[ranges]`` each."""

    starts: tf.Tensor
    ends: tf.Tensor


@dataclass(frozen=True)
class Characters:
    """The characters of texts ``[n]``, counted through all of them.

    Attributes:
        points: their code points, int32 ``[characters]``; U+FFFD for broken UTF-8.
        starts: the byte of its text at which each starts, int32 ``[characters]``.
        ends: the byte of its text at which each ends, int32 ``[characters]``.
        splits: where the characters of each text start and end, int32 ``[n + 1]``.
    """

    points: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    splits: tf.Tensor

    @classmethod
    def of(cls, texts: tf.Tensor) -> Characters:
        """Decodes texts ``[n]``, also broken ones."""
        points, starts = tf.strings.unicode_decode_with_offsets(texts, "UTF-8")
        starts = tf.cast(starts.flat_values, tf.int32)
        splits = tf.cast(points.row_splits, tf.int32)
        # A character ends where the next one starts; a text's last one, with the text.
        following = tf.concat([starts, [0]], 0)[1:]
        lasts = tf.boolean_mask(splits[1:] - 1, splits[1:] > splits[:-1])
        sizes = tf.boolean_mask(tf.strings.length(texts), splits[1:] > splits[:-1])
        ends = tf.tensor_scatter_nd_update(
            following[: tf.size(starts)], lasts[:, None], sizes
        )
        return cls(points.flat_values, starts, ends, splits)

    def lengths(self, form: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
        """Returns the bytes of each character in a form, int32 ``[characters]``."""
        unique, index = tf.unique(self.points)
        characters = tf.strings.unicode_encode(unique[:, None], "UTF-8")
        return tf.gather(tf.strings.length(form(characters)), index)

    def matching(self, pattern: str) -> tf.Tensor:
        """Returns true for characters that match, bool ``[characters]``."""
        unique, index = tf.unique(self.points)
        characters = tf.strings.unicode_encode(unique[:, None], "UTF-8")
        return tf.gather(tf.strings.regex_full_match(characters, pattern), index)

    def without_spaces(self, ranges: Ranges) -> Ranges:
        """Returns ranges of characters without the white space around them."""
        others = tf.cast(tf.where(~self.matching(_WHITE_SPACE))[:, 0], tf.int32)
        padded = tf.concat([[0], others + 1, tf.size(self.points)[None] + 1], 0)
        # Of the characters that are not space: the first one in a range, and the last.
        first = tf.searchsorted(others, ranges.starts, side="left")
        last = tf.searchsorted(others, ranges.ends, side="left")
        starts = tf.minimum(tf.gather(padded, first + 1) - 1, ranges.ends)
        return Ranges(starts, tf.maximum(tf.gather(padded, last), starts))


def utf8_lengths(points: tf.Tensor) -> tf.Tensor:
    """Returns the bytes of each code point in UTF-8, int32."""
    bounds = tf.constant([0x80, 0x800, 0x10000])
    return 1 + tf.searchsorted(bounds, points, side="right")


def characters_of_bytes(lengths: tf.Tensor, ranges: Ranges) -> Ranges:
    """Returns the characters that ranges of bytes lie in; none for an empty range.

    Args:
        lengths: bytes of each character, int32 ``[characters]``.
    """
    ends = tf.cumsum(lengths)
    first = tf.searchsorted(ends, ranges.starts, side="right")
    last = tf.searchsorted(ends, ranges.ends - 1, side="right")
    return Ranges(first, tf.where(ranges.ends > ranges.starts, last + 1, first))


def whole_characters(
    tokens: Ranges, characters: Characters, has_text: tf.Tensor | None = None
) -> Ranges:
    """Returns the characters of tokens, for bytes of their own text.

    Where normalization gives several characters for one, an op gives its bytes to the
    last of them, and none to those before; a token of these has no bytes, or only
    those of the spaces before it.

    Args:
        has_text: flags of tokens that are more than spaces, bool ``[tokens]``; None:
            all.
    """
    ranges = characters_of_bytes(characters.ends - characters.starts, tokens)
    is_part = ranges.ends == ranges.starts
    if has_text is not None:
        others = tf.cast(~characters.matching(_SPACES), tf.int32)
        others = tf.concat([[0], tf.cumsum(others)], 0)
        only_spaces = tf.gather(others, ranges.ends) == tf.gather(others, ranges.starts)
        is_part = only_spaces & has_text
    return Ranges(ranges.starts, ranges.ends + tf.cast(is_part, tf.int32))


def bytes_of_characters(lengths: tf.Tensor, ranges: Ranges) -> Ranges:
    """Returns the bytes of ranges of characters."""
    bounds = tf.concat([[0], tf.cumsum(lengths)], 0)
    return Ranges(tf.gather(bounds, ranges.starts), tf.gather(bounds, ranges.ends))


def through_texts(offsets: tf.RaggedTensor, texts: tf.Tensor) -> tf.Tensor:
    """Counts each text's byte offsets ``[n, None]`` from the first text's beginning."""
    bases = tf.cumsum(tf.strings.length(texts), exclusive=True)
    rows = row_of_values(offsets.row_splits)
    return tf.cast(offsets.flat_values, tf.int32) + tf.gather(bases, rows)


def with_marks(ranges: Ranges, marks: tf.Tensor, characters: Characters) -> Ranges:
    """Extends ranges of characters over the marks that follow them in their text.

    Args:
        marks: flags of characters, bool ``[characters]``.
    """
    # A text that begins with a mark does not extend the text before it.
    firsts = tf.boolean_mask(
        characters.splits[:-1], characters.splits[1:] > characters.splits[:-1]
    )
    marks = tf.tensor_scatter_nd_update(
        marks, firsts[:, None], tf.zeros_like(firsts, tf.bool)
    )
    others = tf.cast(tf.where(~marks)[:, 0], tf.int32)
    others = tf.concat([others, tf.size(marks)[None]], 0)
    reach = tf.gather(others, tf.searchsorted(others, ranges.ends, side="left"))
    return Ranges(
        ranges.starts, tf.where(ranges.ends > ranges.starts, reach, ranges.ends)
    )


def byte_offsets(
    ranges: Ranges, given: Characters, splits: tf.Tensor
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Returns the bytes of each text where tokens start and end: int32 ``[n, None]``.

    Args:
        ranges: the characters of all tokens.
        given: the characters of the texts.
        splits: where the tokens of each text start and end, int64 ``[n + 1]``.
    """
    first = tf.gather(given.splits, row_of_values(splits))
    bounds = tf.concat([[0], given.ends], 0)
    offsets = [
        tf.where(index > first, tf.gather(bounds, index), 0)
        for index in (ranges.starts, ranges.ends)
    ]
    starts, ends = (
        tf.RaggedTensor.from_row_splits(values, splits, validate=False)
        for values in offsets
    )
    return starts, ends


def code_points(
    texts: tf.Tensor, starts: tf.RaggedTensor, ends: tf.RaggedTensor
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Turns byte offsets ``[n, None]`` in texts ``[n]`` into code points, int32.

    A range that begins or ends inside a character is widened to hold all of it. Each
    broken part of UTF-8 counts as one, the U+FFFD that replaces it.
    """
    given = Characters.of(texts)
    splits = starts.row_splits
    ranges = char_ranges(texts, given, starts.flat_values, ends.flat_values, splits)
    first = tf.gather(given.splits, row_of_values(splits))
    return (
        starts.with_flat_values(ranges.starts - first),
        ends.with_flat_values(ranges.ends - first),
    )


def char_ranges(
    texts: tf.Tensor,
    given: Characters,
    starts: tf.Tensor,
    ends: tf.Tensor,
    splits: tf.Tensor,
) -> Ranges:
    """Returns the characters of texts ``[n]`` for bytes of them, ``[tokens]`` each.

    Args:
        texts: the texts.
        given: their characters.
        starts: first bytes, int32.
        ends: the bytes after the last ones, int32.
        splits: where the tokens of each text start and end, int64 ``[n + 1]``.
    """
    bases = tf.cumsum(tf.strings.length(texts), exclusive=True)
    base = tf.gather(bases, row_of_values(splits))
    return characters_of_bytes(
        given.ends - given.starts, Ranges(starts + base, ends + base)
    )
