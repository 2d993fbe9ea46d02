"""The loop that writes texts token by token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from textmill.models.generation.decoder import Rules, State, Step, loosened
from textmill.models.generation.sampling import GREEDY, Sampling, choose

Ends = Callable[[tf.Tensor], tf.Tensor]


def generate(
    step: Step,
    logits: tf.Tensor,
    state: State,
    *,
    rules: Rules,
    num_tokens: int | tf.Tensor,
    sampling: Sampling = GREEDY,
    keys: tf.Tensor | None = None,
    seen: tf.Tensor | None = None,
    ends: Ends | None = None,
    tail: int = 1,
) -> tf.Tensor:
    """Returns the written tokens, int32 ``[b, num_tokens]``; end tokens after an end.

    Args:
        step: the model.
        logits: of the first token, float32 ``[b, vocabulary]``.
        state: after the prompts.
        rules: end and forbidden tokens.
        num_tokens: number of tokens to write; the loop ends earlier if all rows have.
        sampling: the choice of a token.
        keys: int32 ``[b]``, of the samples: see ``prompt_keys``; None for zeros.
        seen: bool ``[b, vocabulary]``: tokens of the prompts, for a penalty.
        ends: returns bool ``[b]``: whether the last tokens int32 ``[b, tail]`` end a
            text; those before the first are end tokens.
        tail: number of tokens that ``ends`` reads.
    """
    batch = tf.shape(logits)[0]
    if keys is None:
        keys = tf.zeros([batch], tf.int32)
    if not sampling.penalizes:
        seen = None
    elif seen is None:
        seen = tf.zeros_like(logits, tf.bool)
    loop = {
        "logits": logits,
        "has_ended": tf.zeros([batch], tf.bool),
        "last": tf.fill([batch, tail], rules.end),
        **({} if seen is None else {"seen": seen}),
    }
    written = tf.TensorArray(tf.int32, num_tokens, element_shape=[None])

    def write(
        number: tf.Tensor, loop: dict[str, tf.Tensor], state: State, written: Any
    ) -> tuple[Any, ...]:
        token = choose(
            loop["logits"] + rules.forbidden,
            sampling,
            keys=keys,
            number=number,
            seen=loop.get("seen"),
        )
        token = tf.where(loop["has_ended"], rules.end, token)
        has_ended = loop["has_ended"] | (token == rules.end)
        last = tf.concat([loop["last"][:, 1:], token[:, None]], axis=1)
        if ends is not None:
            has_ended |= ends(last)
        logits, state = tf.cond(
            (number + 1 < num_tokens) & ~tf.reduce_all(has_ended),
            lambda: step(token, state),
            lambda: (loop["logits"], dict(state)),  # the last token is not read
        )
        following = {"logits": logits, "has_ended": has_ended, "last": last}
        if seen is not None:
            size = tf.shape(logits)[1]
            following["seen"] = loop["seen"] | (tf.range(size) == token[:, None])
        return number + 1, following, state, written.write(number, token)

    variables = (tf.constant(0), loop, state, written)
    number, *_, written = tf.while_loop(
        lambda number, loop, *_: (
            (number < num_tokens) & ~tf.reduce_all(loop["has_ended"])
        ),
        write,
        variables,
        shape_invariants=loosened(variables),
    )
    tokens = tf.transpose(written.gather(tf.range(number)))
    missing = [[0, 0], [0, num_tokens - number]]
    return tf.pad(tokens, missing, constant_values=rules.end)
