"""Viterbi decoding of IOB2 tags in the graph, over legal transitions only.

Transitions have no learned weights: IOB2 allows one or it does not. Only a token of its
own label, first or further, is followed by a further one. Every text is decoded by
itself, so its tags do not depend on the batch.

The loop takes as many steps as the longest piece has tokens. So texts are decoded in
pieces, all at once, and each piece sees some tokens of its neighbours: the best ways of
a text soon run together, and its tags are those of the text as a whole unless a choice
depends on tokens further away.

Classes are numbered as in rows: 0 is a token outside of spans, 1 + 2k the first token
of a span of label k, and 2 + 2k a further one. Inside this file all first ones come
before all further ones, which makes both slices.
"""

from __future__ import annotations

import tensorflow as tf

from textmill.models.tokenizers.gpt2_pretokenizer import row_of_values

IMPOSSIBLE = -1e9
"""Score of a class that a token cannot have."""
_PIECE = 1024
"""Tokens that a piece decides about."""
_CONTEXT = 128
"""Tokens before and after a piece that it sees."""


def decode_tags(
    scores: tf.Tensor,
    splits: tf.Tensor,
    *,
    piece: int = _PIECE,
    context: int = _CONTEXT,
) -> tf.Tensor:
    """Returns the legal tags of all texts' tokens, int32 ``[tokens]``.

    Args:
        scores: of the classes, float32 ``[tokens, 1 + 2 * labels]``; all finite.
        splits: where the tokens of each text start and end, int64 ``[n + 1]``.
        piece: tokens that a piece decides about.
        context: tokens before and after a piece that it sees.
    """
    begins = tf.cast(splits, tf.int32)
    sizes = begins[1:] - begins[:-1]
    counts = (sizes + piece - 1) // piece
    bounds = tf.concat([[0], tf.cumsum(counts)], 0)
    text = row_of_values(bounds)
    start = (tf.range(bounds[-1]) - tf.gather(bounds, text)) * piece
    first = tf.maximum(start - context, 0)
    last = tf.minimum(start + piece + context, tf.gather(sizes, text))
    base = tf.gather(begins, text)
    tokens = tf.ragged.range(base + first, base + last)
    tags = best_tags(tf.gather(scores, tokens.to_tensor()), last - first)

    owner = row_of_values(splits)
    place = tf.range(begins[-1]) - tf.gather(begins, owner)
    row = tf.gather(bounds, owner) + place // piece
    tags = tf.gather_nd(tags, tf.stack([row, place - tf.gather(first, row)], 1))
    # Where two pieces disagree at their seam, a span begins.
    before = tf.concat([[0], tags], 0)[:-1]
    follows = (tags == before) | (tags == before + 1)
    is_orphan = (tags > 0) & (tags % 2 == 0) & ~(follows & (place > 0))
    return tags - tf.cast(is_orphan, tf.int32)


def best_tags(scores: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Returns the legal tags of the highest sum of scores, int32 ``[n, tokens]``.

    Args:
        scores: of the classes of each token, float32 ``[n, tokens, 1 + 2 * labels]``;
            all finite.
        lengths: tokens of each text, int32 ``[n]``; tags after them are 0.
    """
    num_labels = scores.shape[-1] // 2
    further = tf.range(num_labels) * 2 + 2
    order = tf.concat([[0], further - 1, further], 0)
    # One token more, since a loop over none has no results to stack.
    scores = tf.pad(tf.gather(scores, order, axis=-1), [[0, 0], [0, 1], [0, 0]])
    before, pointers = _forward(scores, lengths, num_labels)
    states = _backward(tf.argmax(before, -1, tf.int32), pointers)
    tags = tf.gather(order, states)
    inside = tf.range(tf.shape(scores)[1])[None, :] < lengths[:, None]
    return tf.where(inside, tags, 0)[:, :-1]


def _forward(
    scores: tf.Tensor, lengths: tf.Tensor, num_labels: int
) -> tuple[tf.Tensor, tf.TensorArray]:
    """Returns the best sums to end in each class ``[n, classes]``, and the ways there.

    Ways are int32 ``[n, classes]`` for each token: the class of the token before.
    """
    size, num_tokens = tf.shape(scores)[0], tf.shape(scores)[1]
    own = tf.tile(tf.range(1 + 2 * num_labels)[None], [size, 1])
    by_token = tf.transpose(scores, [1, 0, 2])

    def step(
        i: tf.Tensor, sums: tf.Tensor, pointers: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray]:
        best = tf.reduce_max(sums, -1, keepdims=True)
        source = tf.argmax(sums, -1, tf.int32)[:, None]
        first, further = sums[:, 1 : 1 + num_labels], sums[:, 1 + num_labels :]
        numbers = own[:, 1 : 1 + num_labels]
        from_further = tf.where(further > first, numbers + num_labels, numbers)
        reached = tf.concat(
            [tf.tile(best, [1, 1 + num_labels]), tf.maximum(first, further)], 1
        )
        way = tf.concat([tf.tile(source, [1, 1 + num_labels]), from_further], 1)
        inside = (i < lengths)[:, None]
        sums = tf.where(inside, reached + by_token[i], sums)
        return i + 1, sums, pointers.write(i, tf.where(inside, way, own))

    # Before the first token is one outside of spans.
    start = tf.where(own == 0, 0.0, IMPOSSIBLE)
    pointers = tf.TensorArray(
        tf.int32, num_tokens, element_shape=[None, 1 + 2 * num_labels]
    )
    _, sums, pointers = tf.while_loop(
        lambda i, *_: i < num_tokens, step, (tf.constant(0), start, pointers)
    )
    return sums, pointers


def _backward(last: tf.Tensor, pointers: tf.TensorArray) -> tf.Tensor:
    """Returns the classes up to the last ones ``[n]``, int32 ``[n, tokens]``."""
    num_tokens = pointers.size()
    ways = pointers.stack()

    def step(
        i: tf.Tensor, state: tf.Tensor, states: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray]:
        states = states.write(i, state)
        return i - 1, tf.gather(ways[i], state, batch_dims=1), states

    states = tf.TensorArray(tf.int32, num_tokens, element_shape=[None])
    _, _, states = tf.while_loop(
        lambda i, *_: i >= 0, step, (num_tokens - 1, last, states)
    )
    return tf.transpose(states.stack())
