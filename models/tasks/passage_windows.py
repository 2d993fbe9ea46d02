"""Windows of a passage with a question in each, in a graph and offline.

The layout is that of rows of packing ``strides``: ``[CLS] question [SEP] window [SEP]``
with the question cut to half of the row, and windows that overlap by half.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from textmill.models.tokenizers import Tokenizer

Rows = dict[str, tf.Tensor]


class _Layout(NamedTuple):
    """The windows of all passages: int32 ``[windows]`` each."""

    document: tf.Tensor
    begin: tf.Tensor
    """First token of the passage."""
    count: tf.Tensor
    """Tokens of the passage."""
    column: tf.Tensor
    """Place of the first one in the row."""


def windows(
    tokenizer: Tokenizer, passage: tf.Tensor, question: tf.Tensor, *, length: int
) -> Rows:
    """Packs passages and questions, string ``[n]``, to windows.

    Returns:
        ``ids`` and ``types`` int32 ``[windows, longest]``, ``length`` and ``document``
        int32 ``[windows]``; ``continues`` bool ``[windows, 2]``: the passage goes on
        before, and after the window; ``starts`` and ``ends`` int32 ``[windows,
        longest]``, the bytes of the passage's tokens in it, else 0; and ``passage``
        itself.
    """
    ids, starts, ends = tokenizer.tokenize_with_offsets(passage)
    asked = tokenizer.tokenize_untrusted(question)[:, : (length - 3) // 2]
    layout = _layout(_sizes(ids), _sizes(asked), length=length)
    total = layout.column + layout.count + 1
    position = tf.range(tf.reduce_max(tf.concat([total, [3]], 0)))[None, :]
    column, document = layout.column[:, None], layout.document[:, None]
    inside = (position >= column) & (position < total[:, None] - 1)
    offset = layout.begin[:, None] + position - column
    begins = tf.cast(ids.row_starts(), tf.int32)
    place = tf.gather(begins, document) + offset
    asking = (position > 0) & (position < column - 1)
    asked_begins = tf.cast(asked.row_starts(), tf.int32)
    asked_place = tf.gather(asked_begins, document) + position - 1
    s = tokenizer.specials
    row = tf.where(position < total[:, None], s.end, s.pad)
    row = tf.where(position == 0, s.start, row)
    row = tf.where(asking, _take(asked.flat_values, asked_place, asking), row)
    is_second = (position >= column) & (position < total[:, None])
    return {
        "ids": tf.where(inside, _take(ids.flat_values, place, inside), row),
        "types": tf.cast(is_second, tf.int32),
        "length": total,
        "document": layout.document,
        "continues": tf.stack(
            [
                layout.begin > 0,
                layout.begin + layout.count < tf.gather(_sizes(ids), layout.document),
            ],
            axis=1,
        ),
        "starts": _take(starts.flat_values, place, inside),
        "ends": _take(ends.flat_values, place, inside),
        "passage": passage,
    }


def _sizes(tokens: tf.RaggedTensor) -> tf.Tensor:
    return tf.cast(tokens.row_lengths(), tf.int32)


def _layout(sizes: tf.Tensor, asked: tf.Tensor, *, length: int) -> _Layout:
    """Returns the windows of passages and questions of some tokens, ``[n]`` each."""
    column = asked + 2
    room = length - 1 - column
    stride = tf.maximum(room // 2, 1)
    num = 1 + tf.maximum(0, -(-(sizes - room) // stride))
    document = tf.repeat(tf.range(tf.size(num)), num)
    index = tf.range(tf.size(document)) - tf.gather(
        tf.cumsum(num, exclusive=True), document
    )
    begin = index * tf.gather(stride, document)
    count = tf.minimum(tf.gather(room, document), tf.gather(sizes, document) - begin)
    return _Layout(document, begin, count, tf.gather(column, document))


def _take(values: tf.Tensor, place: tf.Tensor, inside: tf.Tensor) -> tf.Tensor:
    """Returns the values at the places inside, 0 elsewhere."""
    values = tf.concat([[0], values], 0)
    return tf.gather(values, tf.where(inside, place + 1, 0))


def reference_windows(
    tokenizer: Tokenizer,
    passages: Sequence[str | bytes],
    questions: Sequence[str | bytes],
    *,
    length: int,
) -> Rows:
    """Packs passages and questions as ``windows`` does, one at a time and in full."""
    s, rows = tokenizer.specials, list[dict[str, Any]]()
    for document, (passage, question) in enumerate(
        zip(passages, questions, strict=True)
    ):
        ids, starts, ends = (
            part.to_list()[0]
            for part in tokenizer.tokenize_with_offsets(tf.constant([passage]))
        )
        asked = tokenizer(tf.constant([question])).to_list()[0][: (length - 3) // 2]
        head = [s.start, *asked, s.end]
        room = length - 1 - len(head)
        stride = max(room // 2, 1)
        begin = 0
        while True:
            part = slice(begin, begin + room)
            before = [0] * len(head)
            rows.append(
                {
                    "ids": [*head, *ids[part], s.end],
                    "types": [*before, *[1] * len(ids[part]), 1],
                    "starts": [*before, *starts[part]],
                    "ends": [*before, *ends[part]],
                    "document": document,
                    "continues": [begin > 0, begin + room < len(ids)],
                }
            )
            if begin + room >= len(ids):
                break
            begin += stride
    columns = {
        name: _padded([row[name] for row in rows], length, s.pad * (name == "ids"))
        for name in ("ids", "types", "starts", "ends")
    }
    return {
        **columns,
        "length": tf.constant([len(row["ids"]) for row in rows], tf.int32),
        "document": tf.constant([row["document"] for row in rows], tf.int32),
        "continues": tf.constant([row["continues"] for row in rows], tf.bool),
        "passage": tf.constant(list(passages), tf.string),
    }


def _padded(rows: list[list[int]], length: int, pad: int) -> tf.Tensor:
    padded = np.full((len(rows), length), pad, np.int32)
    for values, row in zip(padded, rows, strict=True):
        values[: len(row)] = row
    return tf.constant(padded)
