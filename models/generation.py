"""Text generation with a causal language model, inside one graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from textmill.models.tasks.task import Task


def generate(
    task: Task,
    ids: tf.Tensor,
    length: tf.Tensor,
    *,
    num_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
) -> tf.Tensor:
    """Continues prompts by ``num_tokens`` tokens; after an end, all are end tokens.

    Args:
        task: the model; its window slides once it is full.
        ids: int32 ``[batch, window]``, padded on the right.
        length: int32 ``[batch]``, at least 1.
        num_tokens: number of tokens to generate.
        temperature: 0 takes the most likely token; else tokens are sampled.
        seed: seed of the stateless sampling.

    Returns:
        int32 ``[batch, num_tokens]``.
    """
    window = tf.shape(ids)[1]
    positions = tf.range(window)[None, :]
    specials = task.specials
    # One token may pad, start and end, as GPT-2's does; there may be no mask.
    never = {specials.pad, specials.start, specials.mask} - {None, specials.end}
    control = tf.one_hot(sorted(never), task.vocabulary_size)  # [tokens, vocabulary]
    forbidden = -1e9 * tf.reduce_sum(control, axis=0)
    has_ended = tf.zeros_like(length, tf.bool)
    written = tf.TensorArray(tf.int32, num_tokens)
    for step in tf.range(num_tokens):
        mask = tf.cast(positions < length[:, None], tf.int32)
        logits = task.logits({"ids": ids, "mask": mask})
        last = tf.gather(logits, length - 1, batch_dims=1)
        last = tf.cast(last, tf.float32) + forbidden
        if temperature > 0:
            token = tf.random.stateless_categorical(
                last / temperature, 1, [seed, step], tf.int32
            )[:, 0]
        else:
            token = tf.argmax(last, -1, tf.int32)
        token = tf.where(has_ended, specials.end, token)
        has_ended |= token == specials.end
        written = written.write(step, token)
        full = length == window
        ids = tf.where(full[:, None], tf.roll(ids, -1, axis=1), ids)
        end = tf.minimum(length, window - 1)
        ids = tf.where(positions == end[:, None], token[:, None], ids)
        length = end + 1
    return tf.transpose(written.stack())
