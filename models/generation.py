"""Text generation with a causal language model, inside one graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    forbidden = _forbidden(task)

    def write(
        step: tf.Tensor,
        ids: tf.Tensor,
        length: tf.Tensor,
        has_ended: tf.Tensor,
        written: tf.TensorArray,
    ) -> tuple[Any, ...]:
        mask = tf.cast(positions < length[:, None], tf.int32)
        logits = task.logits({"ids": ids, "mask": mask})
        last = tf.gather(logits, length - 1, batch_dims=1)
        last = tf.cast(last, tf.float32) + forbidden
        token = _choose(last, temperature, (seed, step))
        token = tf.where(has_ended, task.specials.end, token)
        full = length == window
        ids = tf.where(full[:, None], tf.roll(ids, -1, axis=1), ids)
        end = tf.minimum(length, window - 1)
        ids = tf.where(positions == end[:, None], token[:, None], ids)
        has_ended |= token == task.specials.end
        return step + 1, ids, end + 1, has_ended, written.write(step, token)

    written = tf.TensorArray(tf.int32, num_tokens)
    start = (tf.constant(0), ids, length, tf.zeros_like(length, tf.bool), written)
    *_, written = tf.while_loop(lambda step, *_: step < num_tokens, write, start)
    return tf.transpose(written.stack())


def _forbidden(task: Task) -> tf.Tensor:
    """Returns a bias of logits ``[vocabulary]`` that rules out control tokens."""
    specials = task.specials
    # One token may pad, start and end, as GPT-2's does; there may be no mask.
    never = {specials.pad, specials.start, specials.mask} - {None, specials.end}
    control = tf.one_hot(sorted(never), task.vocabulary_size)  # [tokens, vocabulary]
    return -1e9 * tf.reduce_sum(control, axis=0)


def _choose(logits: tf.Tensor, temperature: float, seed: Any) -> tf.Tensor:
    """Returns a token ``[batch]``: the most likely one, or a sample."""
    if temperature > 0:
        scaled = logits / temperature
        return tf.random.stateless_categorical(scaled, 1, seed, tf.int32)[:, 0]
    return tf.argmax(logits, -1, tf.int32)
