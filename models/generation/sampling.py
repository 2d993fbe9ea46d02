"""The choice of a token: the most likely one, or a sample of the likely ones.

A sample is a function of the logits, a row's key and the number of the token, never of
the batch: the same prompt gives the same text alone and among others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from textmill.models.tasks.masking import hash_uniform

_STREAM = 7


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Knobs of the choice; each may be a number or a scalar tensor."""

    temperature: Any = 0.0
    """Divides the logits; 0 takes the most likely token."""
    top_k: Any = 0
    """Number of most likely tokens to choose from; 0 is all."""
    top_p: Any = 1.0
    """Share of probability that the most likely tokens to choose from have together
    (Holtzman et al., 2020)."""
    min_p: Any = 0.0
    """Lowest probability to choose from, as a share of the highest (Nguyen et al.,
    2024)."""
    repetition_penalty: Any = 1.0
    """Divides positive logits of tokens that the text has, and multiplies negative ones
    (Keskar et al., 2019)."""
    seed: Any = 0
    """Seed of the samples."""

    @property
    def penalizes(self) -> bool:
        """True if the tokens of a text must be remembered."""
        penalty = self.repetition_penalty
        return not isinstance(penalty, float | int) or penalty != 1


GREEDY = Sampling()


def prompt_keys(ids: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """Returns a hash int32 ``[b]`` of each prompt, whatever its padding."""
    positions = tf.range(tf.shape(ids)[1])
    factors = positions * 0x9E3779 * 2 + 1  # odd; products wrap around
    hashes = tf.where(positions < length[:, None], (ids + 1) * factors, 0)
    return tf.reduce_sum(hashes, axis=1) + length


def choose(
    logits: tf.Tensor,
    sampling: Sampling,
    *,
    keys: tf.Tensor,
    number: tf.Tensor,
    seen: tf.Tensor | None,
) -> tf.Tensor:
    """Returns a token int32 ``[b]``.

    Args:
        logits: float32 ``[b, vocabulary]``; tokens at -1e9 are never chosen.
        sampling: the knobs.
        keys: int32 ``[b]``: see ``prompt_keys``.
        number: of the token, from 0.
        seen: bool ``[b, vocabulary]``, tokens of the text; None without a penalty.
    """
    if seen is not None:
        penalty = tf.cast(sampling.repetition_penalty, tf.float32)
        other = tf.where(logits > 0, logits / penalty, logits * penalty)
        logits = tf.where(seen, other, logits)
    if isinstance(sampling.temperature, float | int) and not sampling.temperature:
        return tf.argmax(logits, -1, tf.int32)
    seed = tf.cast(sampling.seed, tf.int32)
    odd = 2 * (seed * 0x85EBCA7) + 1  # so that no bit of a key is lost
    uniform = hash_uniform(keys * odd + seed, number[None], _STREAM)
    return tf.cond(
        tf.cast(sampling.temperature, tf.float32) > 0,
        lambda: _sample(logits, sampling, uniform),
        lambda: tf.argmax(logits, -1, tf.int32),
    )


def _sample(logits: tf.Tensor, sampling: Sampling, uniform: tf.Tensor) -> tf.Tensor:
    """Returns the token at the quantile ``uniform`` ``[b]`` of the likely ones."""
    size = tf.shape(logits)[-1]
    scaled = logits / tf.cast(sampling.temperature, tf.float32)
    values, order = tf.math.top_k(scaled, size)  # equal logits: the lower token first
    top_k = tf.cast(sampling.top_k, tf.int32)
    is_kept = (tf.range(size) < top_k) | (top_k <= 0)
    shares = tf.nn.softmax(tf.where(is_kept, values, -1e9))
    before = tf.cumsum(shares, axis=-1, exclusive=True)
    is_likely = before < tf.cast(sampling.top_p, tf.float32)
    is_likely |= tf.range(size) == 0
    is_likely &= shares >= tf.cast(sampling.min_p, tf.float32) * shares[:, :1]
    sums = tf.cumsum(tf.where(is_likely, shares, 0.0), axis=-1)
    quantile = uniform[:, None] * sums[:, -1:]
    place = tf.reduce_sum(tf.cast(sums <= quantile, tf.int32), axis=-1)
    last = tf.reduce_max(tf.where(is_likely, tf.range(size), 0), axis=-1)
    return tf.gather(order, tf.minimum(place, last), batch_dims=1)
