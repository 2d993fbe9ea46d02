"""Cross-entropy over a large vocabulary, a few tokens' logits at a time.

The logits of a batch are by far the largest tensor of a small language model: 16 rows
of 1,024 tokens and a vocabulary of 50,257 take 3.3 GB in float32, and as much again for
the gradient. Here they exist for one chunk of tokens at a time, and are recomputed for
the gradients.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from textmill.models.tasks.task import token_losses

Sums = dict[str, tf.Tensor]


def chunked_cross_entropy(
    hidden: tf.Tensor,
    matrix: tf.Tensor,
    targets: tf.Tensor,
    weights: tf.Tensor,
    *,
    chunk: int,
) -> Sums:
    """Returns the sums of ``cross_entropy`` without all logits: float32 ``[batch]``.

    Args:
        hidden: states ``[batch, length, width]``.
        matrix: the output layer ``[vocabulary, width]``, without a bias.
        targets: int32 ``[batch, length]``.
        weights: float32 ``[batch, length]``.
        chunk: number of tokens whose logits exist at once.
    """
    width, matrix = hidden.shape[-1], tf.cast(matrix, hidden.dtype)
    num = tf.size(targets)
    chunks = (num + chunk - 1) // chunk

    def cut(values: tf.Tensor, *inner: int) -> tf.Tensor:
        flat = tf.reshape(values, [-1, *inner])
        padding = [[0, chunks * chunk - num], *([[0, 0]] * len(inner))]
        return tf.reshape(tf.pad(flat, padding), [chunks, chunk, *inner])

    losses, hits = _token_losses(cut(hidden, width), matrix, cut(targets))
    values = {"loss": losses, "weight": tf.ones_like(losses), "correct": hits}
    shaped = {
        name: tf.reshape(tf.reshape(value, [-1])[:num], tf.shape(weights))
        for name, value in values.items()
    }
    return {n: tf.reduce_sum(value * weights, 1) for n, value in shaped.items()}


@tf.custom_gradient
def _token_losses(hidden: tf.Tensor, matrix: tf.Tensor, targets: tf.Tensor) -> Any:
    """Returns losses and hits ``[chunks, chunk]`` of states of that shape."""

    def forward(_: Any, part: Any) -> Any:
        states, wanted = part
        return token_losses(tf.matmul(states, matrix, transpose_b=True), wanted)

    nothing = tf.zeros_like(targets[0], tf.float32)
    parts = (hidden, targets)
    losses, hits = tf.scan(forward, parts, (nothing, nothing), parallel_iterations=1)

    def gradient(upstream: tf.Tensor, _: Any) -> Any:
        def backward(carried: Any, part: Any) -> Any:
            states, wanted, scale = part
            logits = tf.matmul(states, matrix, transpose_b=True)
            shares = tf.nn.softmax(tf.cast(logits, tf.float32))
            is_target = tf.range(tf.shape(logits)[-1]) == wanted[..., None]
            slope = (shares - tf.cast(is_target, tf.float32)) * scale[:, None]
            slope = tf.cast(slope, states.dtype)
            step = tf.matmul(slope, states, transpose_a=True)
            return carried + tf.cast(step, tf.float32), tf.matmul(slope, matrix)

        return *_accumulate(backward, (hidden, targets, upstream), matrix), None

    return (losses, hits), gradient


def _accumulate(step: Any, parts: Any, matrix: tf.Tensor) -> Any:
    """Returns the gradients of hidden states and matrix, chunk by chunk."""
    chunks = tf.shape(parts[0])[0]
    pieces = tf.TensorArray(parts[0].dtype, chunks, element_shape=parts[0].shape[1:])

    def body(i: tf.Tensor, total: tf.Tensor, pieces: tf.TensorArray) -> Any:
        total, piece = step(total, tuple(part[i] for part in parts))
        return i + 1, total, pieces.write(i, piece)

    _, total, pieces = tf.while_loop(
        lambda i, *_: i < chunks,
        body,
        (0, tf.zeros_like(matrix, tf.float32), pieces),
        parallel_iterations=1,
    )
    return pieces.stack(), tf.cast(total, matrix.dtype)
