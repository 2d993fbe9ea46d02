"""Texts in parts: a state that a caller keeps between the calls.

An exported model has no memory. ``begin`` reads the prompts, and each ``go_on`` writes
some tokens more; together they write the text of one ``generate``.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from textmill.models.generation.decoder import State, loosened
from textmill.models.generation.sampling import Sampling, choose
from textmill.models.generation.writing import Beginning, Decoder

_OWN = ("logits", "keys", "has_ended", "tokens")


def begin(beginning: Beginning) -> State:
    """Returns the state before the first token.

    ``logits`` float32 ``[b, vocabulary]``, ``keys`` int32 ``[b]``, ``has_ended`` bool
    ``[b]`` and ``tokens`` int32 ``[b, written]``, and the state of the decoder.
    """
    batch = tf.shape(beginning.logits)[0]
    return {
        **beginning.state,
        "logits": beginning.logits,
        "keys": beginning.keys,
        "has_ended": tf.zeros([batch], tf.bool),
        "tokens": tf.zeros([batch, 0], tf.int32),
    }


def go_on(
    decoder: Decoder, stream: State, *, num_tokens: Any, sampling: Sampling
) -> State:
    """Returns the state after ``num_tokens`` tokens more; end tokens after an end.

    A penalty of repetitions does not take part.
    """
    rules, keys = decoder.rules, stream["keys"]
    written = tf.shape(stream["tokens"])[1]
    state = {name: value for name, value in stream.items() if name not in _OWN}
    tokens = tf.TensorArray(tf.int32, num_tokens, element_shape=[None])

    def write(
        number: tf.Tensor,
        logits: tf.Tensor,
        has_ended: tf.Tensor,
        state: State,
        tokens: tf.TensorArray,
    ) -> tuple[Any, ...]:
        token = choose(
            logits + rules.forbidden,
            sampling,
            keys=keys,
            number=written + number,
            seen=None,
        )
        token = tf.where(has_ended, rules.end, token)
        has_ended |= token == rules.end
        logits, state = decoder.step(token, state)
        return number + 1, logits, has_ended, state, tokens.write(number, token)

    variables = (tf.constant(0), stream["logits"], stream["has_ended"], state, tokens)
    _, logits, has_ended, state, tokens = tf.while_loop(
        lambda number, *_: number < num_tokens,
        write,
        variables,
        shape_invariants=loosened(variables),
    )
    more = tf.transpose(tokens.stack())
    return {
        **state,
        "logits": logits,
        "keys": keys,
        "has_ended": has_ended,
        "tokens": tf.concat([stream["tokens"], more], axis=1),
    }
