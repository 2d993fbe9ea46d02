"""The linear model in plain TensorFlow ops, for an exported graph.

The keys of n-grams are exact, as in training: the graph hashes nothing. Weights are
gathered as float32 and summed as float64; ``summable`` weights have no rounding error
in these sums, so that the answer to a text has the same bits in every batch, in every
order and on every device.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from textmill.models.linear import MAX_ORDER
from textmill.models.linear.model import LinearModel
from textmill.models.linear.ngrams import SHORT_TEXT, key_offsets

_NO_NGRAM = -1
_NO_KEY = np.iinfo(np.int64).max
_NGRAMS_A_BLOCK = 1 << 16


class Contributions(NamedTuple):
    """The distinct known n-grams of texts, in the order of texts and of tokens.

    Attributes:
        row: int64 ``[m]``: number of the text.
        tokens: int32 ``[m, 3]``: token ids, padded with -1.
        weights: float32 ``[m, outputs]``: the n-gram's part of the text's logits.
    """

    row: tf.Tensor
    tokens: tf.Tensor
    weights: tf.Tensor


class NgramGraph(tf.Module):
    """The logits of a linear model, and the n-grams that they are the sum of."""

    def __init__(self, model: LinearModel) -> None:
        super().__init__()
        keys, weights = model.keys, model.weights
        if not len(keys):  # a gather needs a row; the key is that of no n-gram
            keys = np.array([_NO_KEY], np.int64)
            weights = np.zeros((1, weights.shape[1]), np.float32)
        self.keys = tf.Variable(keys, trainable=False, name="keys")
        self.weights = tf.Variable(weights, trainable=False, name="weights")
        self.bias = tf.Variable(model.bias, trainable=False, name="bias")
        self._order = model.order
        self._vocabulary_size = model.vocabulary_size
        self._offsets = key_offsets(MAX_ORDER, model.vocabulary_size)

    def logits(self, tokens: tf.RaggedTensor) -> tf.Tensor:
        """Returns float32 ``[n, outputs]`` for int32 token ids ``[n, None]``."""
        row, index = self._known_ngrams(tokens)
        num_texts = tokens.nrows()

        def add_block(start: tf.Tensor, sums: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            end = start + _NGRAMS_A_BLOCK
            weights = tf.gather(self.weights, index[start:end])  # [block, outputs]
            weights = tf.cast(weights, tf.float64)
            added = tf.math.unsorted_segment_sum(weights, row[start:end], num_texts)
            return end, sums + added

        sums = tf.zeros([num_texts, self.weights.shape[1]], tf.float64)
        # Blocks bound the memory of long texts with many labels.
        _, sums = tf.while_loop(
            lambda start, _: start < tf.size(row), add_block, (0, sums)
        )
        sums *= _length_factors(tokens)[:, None]
        return tf.cast(sums + tf.cast(self.bias, tf.float64), tf.float32)

    def contributions(self, tokens: tf.RaggedTensor) -> Contributions:
        """Returns every term of the logits, which are their sum and the bias."""
        row, index = self._known_ngrams(tokens)
        ngrams = self._tokens_of(tf.gather(self.keys, index))
        factors = tf.gather(_length_factors(tokens), row)
        weights = tf.cast(tf.gather(self.weights, index), tf.float64)
        terms = tf.cast(weights * factors[:, None], tf.float32)
        return Contributions(row, ngrams, terms)

    def _known_ngrams(self, tokens: tf.RaggedTensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the text and the place in the table of n-grams, int64 ``[m]``."""
        rows = tf.cast(tokens.value_rowids(), tf.int64)
        keys = self._keys_of(tf.cast(tokens.values, tf.int64), rows)  # [tokens, order]
        size = tf.shape(self.keys, tf.int64)[0]
        places = tf.searchsorted(self.keys, tf.reshape(keys, [-1]), out_type=tf.int64)
        places = tf.reshape(tf.minimum(places, size - 1), tf.shape(keys))
        known = tf.equal(tf.gather(self.keys, places), keys)
        # An n-gram counts once a text.
        pairs, _ = tf.unique(tf.boolean_mask(rows[:, None] * size + places, known))
        return pairs // size, pairs % size

    def _keys_of(self, ids: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Returns the keys of the n-grams that begin at each token, by their length.

        Args:
            ids: int64 ``[tokens]``, one text after the other.
            rows: int64 ``[tokens]``: the text of each.
        """
        size = tf.shape(ids)[0]
        keys, columns = ids, [ids]
        for n in range(1, self._order):
            keys = keys[:-1] * self._vocabulary_size + ids[n:]
            within = tf.equal(rows[:-n], rows[n:])
            column = tf.where(within, keys + self._offsets[n], _NO_NGRAM)
            padded = tf.pad(column, [[0, n]], constant_values=_NO_NGRAM)
            columns.append(padded[:size])
        return tf.stack(columns, axis=1)

    def _tokens_of(self, keys: tf.Tensor) -> tf.Tensor:
        """Returns int32 token ids ``[m, 3]`` of keys ``[m]``, padded with -1."""
        starts = tf.constant(self._offsets, tf.int64)
        length = tf.searchsorted(starts, keys, side="right", out_type=tf.int64)
        digits = keys - tf.gather(starts, length - 1)
        powers: Any = length[:, None] - 1 - tf.range(MAX_ORDER, dtype=tf.int64)
        base = tf.constant(self._vocabulary_size, tf.int64)
        ids = digits[:, None] // base ** tf.maximum(powers, 0) % base
        return tf.cast(tf.where(powers >= 0, ids, -1), tf.int32)


def _length_factors(tokens: tf.RaggedTensor) -> tf.Tensor:
    """Returns float64 ``[n]``, as ``ngrams.length_factors``."""
    lengths = tf.cast(tokens.row_lengths(), tf.float64)
    return 1.0 / tf.sqrt(1.0 + lengths / SHORT_TEXT)
