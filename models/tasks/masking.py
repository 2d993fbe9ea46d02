"""Masking: samples the tokens to predict and replaces them in the input.

All random numbers are functions of (seed, epoch, row, position), so masks do not depend
on batches or on earlier masks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from textmill.models.tasks.config import MaskedLMConfig

_SPAN_P = 0.2
_ROUNDS = 4
_BY_RANK, _BY_COIN, _BY_TOKEN, _BY_LENGTH = 1, 2, 3, 4

Rows = dict[str, tf.Tensor]


class MaskedPositions(NamedTuple):
    """The tokens of every row to predict."""

    is_masked: tf.Tensor
    """bool ``[b, l]``."""
    positions: tf.Tensor
    """int32 ``[b, slots]``; the first ``num`` are the masked ones."""
    num: tf.Tensor
    """int32 ``[b]``."""
    coin: tf.Tensor
    """int32, broadcasts to ``[b, l]``: tokens with the same number share a coin."""


def hash_uniform(keys: tf.Tensor, positions: tf.Tensor, stream: int) -> tf.Tensor:
    """Hashes int32 keys and positions to float32 in [0, 1).

    A stateless random number by MurmurHash3's finalizer (Appleby, 2011): a function of
    its arguments only.
    """
    x = tf.bitcast(keys, tf.uint32) ^ (
        tf.cast(positions, tf.uint32) * np.uint32(0x9E3779B1)
        + np.uint32((stream * 0x85EBCA77) & 0xFFFFFFFF)
    )
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = (x ^ tf.bitwise.right_shift(x, np.uint32(shift))) * np.uint32(factor)
    x = x ^ tf.bitwise.right_shift(x, np.uint32(16))
    high = tf.cast(tf.bitwise.right_shift(x, np.uint32(8)), tf.int32)
    return tf.cast(high, tf.float32) * np.float32(2**-24)


def sample_masked_positions(
    config: MaskedLMConfig, rows: Rows, *, candidate: tf.Tensor, slots: int | tf.Tensor
) -> MaskedPositions:
    """Samples a share of the tokens where ``candidate`` (bool ``[b, l]``) is true.

    At least one and at most ``slots``; with whole words fewer if the next word does not
    fit.
    """
    count = tf.reduce_sum(tf.cast(candidate, tf.int32), axis=1)
    # The original script, whose copies dupe_factor makes, counts special tokens too.
    base = rows["length"] if config.dupe_factor else count
    wanted = tf.cast(base, tf.float32) * config.mask_rate
    num = tf.minimum(count, tf.maximum(1, tf.cast(tf.round(wanted), tf.int32)))
    num = tf.minimum(num, slots)
    if config.mask_whole_words or config.mask_span:
        return _sample_units(config, rows, candidate=candidate, num=num, slots=slots)
    position = tf.range(tf.shape(candidate)[1])[None, :]
    rank = tf.where(
        candidate, hash_uniform(rows["keys"][:, None], position, _BY_RANK), -1.0
    )
    best, positions = tf.math.top_k(rank, slots)
    last = tf.gather(best, tf.maximum(num - 1, 0), batch_dims=1)
    is_masked = candidate & (rank >= last[:, None]) & (num[:, None] > 0)
    return MaskedPositions(is_masked, positions, num, position)


def _sample_units(
    config: MaskedLMConfig,
    rows: Rows,
    *,
    candidate: tf.Tensor,
    num: tf.Tensor,
    slots: int | tf.Tensor,
) -> MaskedPositions:
    """Samples units (words or tokens), in the order of the spans that contain them."""
    width = tf.shape(candidate)[1]
    position = tf.range(width)[None, :]
    unit = _units(config, rows, candidate)
    sizes = _sizes(unit, candidate)
    rank, owner = _span_ranks(config, rows["keys"], sizes)
    order = tf.argsort(rank, direction="DESCENDING", stable=True)
    taken = _take_in_order(tf.gather(sizes, order, batch_dims=1), num)
    taken = tf.gather(taken, tf.argsort(order), batch_dims=1)
    is_masked = candidate & tf.gather(taken, unit, batch_dims=1)
    _, positions = tf.math.top_k(tf.where(is_masked, width - position, 0), slots)
    coin = position
    if config.mask_span == "geometric":
        coin = tf.gather(owner, unit, batch_dims=1)
    return MaskedPositions(
        is_masked, positions, tf.reduce_sum(tf.cast(is_masked, tf.int32), axis=1), coin
    )


def _units(config: MaskedLMConfig, rows: Rows, candidate: tf.Tensor) -> tf.Tensor:
    """Returns the number of every token's unit in its row, from 0: int32 ``[b, l]``."""
    first = tf.ones_like(candidate)
    if config.mask_whole_words:
        after = tf.pad(candidate[:, :-1], [[0, 0], [1, 0]])
        first = (rows["word_starts"] > 0) | ~candidate | ~after
    # The first token is special or has nothing before it: numbers begin at 0.
    return tf.cumsum(tf.cast(first, tf.int32), axis=1) - 1


def _sizes(unit: tf.Tensor, candidate: tf.Tensor) -> tf.Tensor:
    """Returns the candidates of every unit, int32 ``[b, l]``; 0 where there is none."""
    batch, width = tf.shape(unit)[0], tf.shape(unit)[1]
    number = unit + tf.range(batch)[:, None] * width
    sums = tf.math.unsorted_segment_sum(
        tf.reshape(tf.cast(candidate, tf.int32), [-1]),
        tf.reshape(number, [-1]),
        batch * width,
    )
    return tf.reshape(sums, tf.shape(unit))


def _span_ranks(
    config: MaskedLMConfig, keys: tf.Tensor, sizes: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Starts a span at every unit; a unit in several spans gets the highest rank.

    Spans stop at special tokens and merge where they overlap.

    Returns:
        For every unit, the rank of its span, float32 ``[b, l]``, -1 without
        candidates, and the start of that span, int32 ``[b, l]``.
    """
    position = tf.range(tf.shape(sizes)[1])[None, :]
    own, real = hash_uniform(keys[:, None], position, _BY_RANK), sizes > 0
    block = tf.cumsum(tf.cast(~real, tf.int32), axis=1)
    bounds = np.cumsum(span_lengths(config))[:-1].astype(np.float32)
    draw = hash_uniform(keys[:, None], position, _BY_LENGTH)
    length = 1 + tf.reduce_sum(tf.cast(draw[..., None] >= bounds, tf.int32), -1)
    rank = tf.where(real, own, -1.0)
    owner = tf.broadcast_to(position, tf.shape(sizes))
    for back in range(1, len(bounds) + 1):
        reaches = (tf.roll(length, back, 1) > back) & (position >= back)
        reaches &= (tf.roll(block, back, 1) == block) & tf.roll(real, back, 1) & real
        earlier = tf.where(reaches, tf.roll(own, back, 1), -1.0)
        owner = tf.where(earlier > rank, position - back, owner)
        rank = tf.maximum(rank, earlier)
    return rank, owner


def span_lengths(config: MaskedLMConfig) -> np.ndarray:
    """Returns the probability of every length from 1, float64 ``[longest_span]``.

    Geometric is truncated and rescaled (SpanBERT: Joshi et al., 2019, section 3.1);
    ngram is 1/n (ALBERT: Lan et al., 2019, section 3.1).
    """
    if config.mask_span is None:
        return np.ones(1)
    default = {"geometric": 10, "ngram": 3}[config.mask_span]
    length = np.arange(1, (config.longest_span or default) + 1)
    geometric = _SPAN_P * (1 - _SPAN_P) ** (length - 1.0)
    share = geometric if config.mask_span == "geometric" else 1.0 / length
    return share / share.sum()


def _take_in_order(sizes: tf.Tensor, num: tf.Tensor) -> tf.Tensor:
    """Takes units in order, skipping those that do not fit.

    Every round takes all units up to the first that does not fit; four rounds suffice
    except in rows of very long words.
    """
    taken = tf.zeros_like(sizes, tf.bool)
    left = num[:, None]
    for _ in range(_ROUNDS):
        open_sizes = tf.where(~taken & (sizes <= left), sizes, 0)
        fits = (open_sizes > 0) & (tf.cumsum(open_sizes, axis=1) <= left)
        left -= tf.reduce_sum(tf.where(fits, sizes, 0), axis=1, keepdims=True)
        taken |= fits
    return taken


def apply_masking(
    rows: Rows, *, masked: MaskedPositions, mask: int, vocabulary_size: int
) -> tf.Tensor:
    """Returns the ids, int32 ``[b, l]``, with masked tokens replaced: 80 % by the mask,
    10 % by a random token, 10 % by themselves; a geometric span is of one kind, as in
    SpanBERT.

    Random tokens come from the whole vocabulary, special tokens included, as in
    the original script.
    """
    ids, keys = rows["ids"], rows["keys"][:, None]
    position = tf.range(tf.shape(ids)[1])[None, :]
    coin = hash_uniform(keys, masked.coin, _BY_COIN)
    draw = hash_uniform(keys, position, _BY_TOKEN)
    random = tf.cast(draw * vocabulary_size, tf.int32)
    random = tf.minimum(random, vocabulary_size - 1)
    other = tf.where(coin < 0.8, mask, tf.where(coin < 0.9, random, ids))
    return tf.where(masked.is_masked, other, ids)
