"""Windows of texts longer than a row, and the window that answers for each token."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from textmill.models.tokenizers import SpecialTokens
from textmill.models.tokenizers.gpt2_pretokenizer import row_of_values


@dataclass(frozen=True)
class Windows:
    """Rows ``[CLS] window [SEP]`` of texts ``[n]``, at least one of each.

    Windows begin half a row apart. Attributes:
        ids: int32 ``[windows, longest]``.
        length: tokens of each row, int32 ``[windows]``.
        row: the row that answers for each token of the texts, int32 ``[tokens]``: the
            one in whose middle it is, which has most context.
        column: its place in that row, int32 ``[tokens]``.
    """

    ids: tf.Tensor
    length: tf.Tensor
    row: tf.Tensor
    column: tf.Tensor

    @classmethod
    def of(
        cls, tokens: tf.RaggedTensor, specials: SpecialTokens, length: int
    ) -> Windows:
        """Cuts tokens ``[n, None]`` into rows of at most ``length`` tokens."""
        room = length - 2
        stride = max(room // 2, 1)
        begins = tf.cast(tokens.row_splits, tf.int32)
        sizes = begins[1:] - begins[:-1]
        counts = 1 + tf.maximum(0, -((room - sizes) // stride))
        bounds = tf.concat([[0], tf.cumsum(counts)], 0)
        text = row_of_values(bounds)
        start = (tf.range(bounds[-1]) - tf.gather(bounds, text)) * stride
        count = tf.minimum(room, tf.gather(sizes, text) - start)
        first = tf.gather(begins, text) + start
        ranges = tf.ragged.range(first, first + count)
        inner = tf.gather(tokens.flat_values, ranges)
        frame = tf.fill([bounds[-1], 1], specials.start)
        end = tf.fill([bounds[-1], 1], specials.end)
        rows = tf.concat([frame, inner, end], axis=1)

        owner = row_of_values(tokens.row_splits)
        place = tf.range(begins[-1]) - tf.gather(begins, owner)
        middle = (2 * place - (room - 1) + stride) // (2 * stride)
        number = tf.clip_by_value(middle, 0, tf.gather(counts, owner) - 1)
        return cls(
            ids=rows.to_tensor(specials.pad),
            length=count + 2,
            row=tf.gather(bounds, owner) + number,
            column=1 + place - number * stride,
        )
