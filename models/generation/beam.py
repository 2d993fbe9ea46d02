"""Beam search with a length penalty and frozen finished hypotheses.

(Wu et al., 2016, "Google's Neural Machine Translation System".) The score of a text is
its log probability divided by ((5 + tokens) / 6) ^ alpha, the end token counted.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from textmill.models.generation.decoder import Rules, State, Step, loosened, reorder

_LOWEST = -1e9


def beam_search(
    step: Step,
    logits: tf.Tensor,
    state: State,
    *,
    rules: Rules,
    num_tokens: int | tf.Tensor,
    beams: int,
    alpha: float = 0.6,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the best text of each row, int32 ``[b, num_tokens]``, and its score.

    Each step extends ``beams`` open hypotheses to twice as many candidates, and keeps
    as many finished ones; these no longer change. A text without an end counts as a
    hypothesis once it has ``num_tokens`` tokens.

    Args:
        step: the model.
        logits: of the first token, float32 ``[b, vocabulary]``.
        state: after the prompts.
        rules: end and forbidden tokens.
        num_tokens: the longest text.
        beams: number of hypotheses.
        alpha: strength of the length penalty; 0 compares log probabilities, which
            prefers short texts.
    """
    batch = tf.shape(logits)[0]
    rows = tf.repeat(tf.range(batch), beams)
    empty = tf.fill([batch, beams, num_tokens], rules.end)
    first = tf.where(tf.range(beams) == 0, 0.0, _LOWEST)
    search = {
        "logits": tf.gather(logits, rows),
        "tokens": empty,
        "log_probability": tf.tile(first[None], [batch, 1]),
        "finished": empty,
        "score": tf.fill([batch, beams], _LOWEST),
    }

    def extend(number: tf.Tensor, search: Any, state: State) -> tuple[Any, ...]:
        totals, parents, tokens = _candidates(search, rules, beams)
        is_end = tokens == rules.end
        texts = tf.gather(search["tokens"], parents, batch_dims=1)
        is_now = tf.range(num_tokens) == number
        texts = tf.where(is_now, tokens[:, :, None], texts)
        scores = tf.where(is_end, totals / _penalty(number + 1, alpha), _LOWEST)
        finished, score = _best(
            tf.concat([search["finished"], texts], axis=1),
            tf.concat([search["score"], scores], axis=1),
            beams,
        )
        open_totals, order = tf.math.top_k(tf.where(is_end, _LOWEST, totals), beams)
        parents = tf.gather(parents, order, batch_dims=1)
        tokens = tf.gather(tokens, order, batch_dims=1)
        flat = tf.reshape(tf.range(batch)[:, None] * beams + parents, [-1])
        logits, state = tf.cond(
            number + 1 < num_tokens,
            lambda: step(tf.reshape(tokens, [-1]), reorder(state, flat)),
            lambda: (search["logits"], dict(state)),  # the last token is not read
        )
        following = {
            "logits": logits,
            "tokens": tf.gather(texts, order, batch_dims=1),
            "log_probability": open_totals,
            "finished": finished,
            "score": score,
        }
        return number + 1, following, state

    def is_open(number: tf.Tensor, search: Any, *_: Any) -> tf.Tensor:
        # No longer text can have a better score than this.
        highest = search["log_probability"][:, 0] / _penalty(num_tokens, alpha)
        is_better = highest > search["score"][:, -1]
        return (number < num_tokens) & tf.reduce_any(is_better)

    variables = (tf.constant(0), search, reorder(state, rows))
    number, search, _ = tf.while_loop(
        is_open, extend, variables, shape_invariants=loosened(variables)
    )
    unfinished = search["log_probability"] / _penalty(number, alpha)
    unfinished = tf.where(number == num_tokens, unfinished, _LOWEST)
    texts, scores = _best(
        tf.concat([search["finished"], search["tokens"]], axis=1),
        tf.concat([search["score"], unfinished], axis=1),
        1,
    )
    return texts[:, 0], scores[:, 0]


def _candidates(
    search: dict[str, tf.Tensor], rules: Rules, beams: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns log probability, parent and token of the best, ``[b, 2 * beams]``."""
    log_shares = tf.nn.log_softmax(search["logits"] + rules.forbidden)
    size = tf.shape(log_shares)[1]
    log_shares = tf.reshape(log_shares, [-1, beams, size])
    totals = search["log_probability"][:, :, None] + log_shares
    count = tf.minimum(2 * beams, beams * size)
    best, places = tf.math.top_k(tf.reshape(totals, [-1, beams * size]), count)
    return best, places // size, places % size


def _best(
    texts: tf.Tensor, scores: tf.Tensor, count: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the ``count`` texts with the highest scores, the best first."""
    best, order = tf.math.top_k(scores, count)
    return tf.gather(texts, order, batch_dims=1), best


def _penalty(length: int | tf.Tensor, alpha: float) -> tf.Tensor:
    return ((5.0 + tf.cast(length, tf.float32)) / 6.0) ** alpha
