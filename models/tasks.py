"""The tasks: what a model computes from rows, and how far off it is.

A task turns rows into features (mask, shift), builds the model, and returns sums, never
means: the loop adds those of all rows and replicas and divides once.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import override

from models.families import FAMILIES, ModelConfig
from models.tokenization import Specials

Rows = dict[str, tf.Tensor]
Features = dict[str, tf.Tensor]


def uniform(keys: tf.Tensor, positions: tf.Tensor, stream: int) -> tf.Tensor:
    """Hashes int32 keys and positions to float32 in [0, 1).

    A stateless draw by MurmurHash3's finalizer (Appleby, 2011): a function of its
    arguments alone, so that masks depend on nothing but (seed, epoch, row, position).
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


def cross_entropy(
    logits: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Sums loss in nats, weights and weighted hits of each row: float32 ``[batch]``.

    A hit is the one highest logit; of equal ones, none is.
    """
    logits = tf.cast(logits, tf.float32)
    highest = tf.stop_gradient(tf.reduce_max(logits, -1, keepdims=True))
    logits = logits - highest
    # A sum over one entry fuses with the other sums; a gather, or an argmax, does not.
    is_target = tf.range(tf.shape(logits)[-1]) == targets[..., None]
    target = tf.reduce_sum(tf.where(is_target, logits, 0.0), -1)
    losses = tf.math.log(tf.reduce_sum(tf.exp(logits), -1)) - target
    num_highest = tf.reduce_sum(tf.cast(logits >= 0.0, tf.float32), -1)
    hits = tf.cast((target >= 0.0) & (num_highest == 1.0), tf.float32)
    sums = {"loss": losses * weights, "weight": weights, "correct": hits * weights}
    inner = list(range(1, len(weights.shape)))
    return {name: tf.reduce_sum(value, inner) for name, value in sums.items()}


class Task:
    """What a stage learns, over one family's backbone.

    Attributes:
        model: the Keras model, from features to logits.
        backbone: the part of it that other stages may start from.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        vocabulary_size: int,
        specials: Specials,
        seed: int = 0,
        num_labels: int = 0,
        mask_rate: float = 0.15,
    ) -> None:
        keras.utils.set_random_seed(seed)
        self.config, self.specials = config, specials
        self.vocabulary_size, self.num_labels = vocabulary_size, num_labels
        self.mask_rate = mask_rate
        self.family: Any = FAMILIES[config.family].load()
        self.backbone = self.family.build_backbone(
            config, vocabulary_size=vocabulary_size
        )
        self._ids = keras.Input((None,), dtype="int32", name="ids")
        self._mask = keras.Input((None,), dtype="int32", name="mask")
        self._hidden = self.backbone(self.family.inputs(self._ids, self._mask))
        self.model = self._build()

    def _build(self) -> keras.Model:
        raise NotImplementedError

    def features(self, rows: Rows) -> Features:
        """Turns ids ``[b, l]``, length ``[b]`` and keys ``[b]`` into model inputs."""
        raise NotImplementedError

    def sums(self, features: Features, *, training: bool) -> dict[str, tf.Tensor]:
        """Runs the model; sums loss, weight and hits of each row (float32 [b])."""
        logits = self.logits(features, training=training)
        return cross_entropy(logits, features["targets"], features["weights"])

    def logits(self, features: Features, *, training: bool = False) -> tf.Tensor:
        """Runs the model on its features."""
        inputs = {name: features[name] for name in self.model.input}
        return self.model(inputs, training=training)

    def tensors(self) -> dict[str, keras.Variable]:
        """Returns the weights by a name that is the same in every process."""
        inside = {id(variable) for variable in self.backbone.weights}
        return {
            ("backbone/" if id(v) in inside else "head/") + v.path: v
            for v in self.model.weights
        }


class MaskedLM(Task):
    """Predicts masked tokens: 80 % mask, 10 % random, 10 % kept (BERT, section 3.1)."""

    @property
    def num_slots(self) -> int:
        """Predictions a row: ceil(rate x length)."""
        return math.ceil(self.mask_rate * self.config.sequence_length)

    def _build(self) -> keras.Model:
        from keras_hub.layers import MaskedLMHead

        positions = keras.Input((None,), dtype="int32", name="positions")
        head = MaskedLMHead(
            token_embedding=self.backbone.token_embedding,
            intermediate_activation="gelu",
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="masked_lm_head",
        )
        logits = head(self.family.sequence(self._hidden), mask_positions=positions)
        return keras.Model(
            {"ids": self._ids, "mask": self._mask, "positions": positions}, logits
        )

    @override
    def features(self, rows: Rows) -> Features:
        ids, length = rows["ids"], rows["length"]
        at = tf.range(tf.shape(ids)[1])[None, :]
        keys = rows["keys"][:, None]
        s = self.specials
        inside = at < length[:, None]
        candidate = inside & (ids != s.start) & (ids != s.end)
        num = tf.reduce_sum(tf.cast(candidate, tf.int32), axis=1)
        rate = tf.cast(num, tf.float32) * self.mask_rate
        num = tf.minimum(num, tf.maximum(1, tf.cast(tf.round(rate), tf.int32)))
        num = tf.minimum(num, self.num_slots)
        rank = tf.where(candidate, uniform(keys, at, 1), -1.0)
        best, positions = tf.math.top_k(rank, self.num_slots)
        last = tf.gather(best, tf.maximum(num - 1, 0), batch_dims=1)
        chosen = candidate & (rank >= last[:, None]) & (num[:, None] > 0)
        slot = tf.range(self.num_slots)[None, :]
        return {
            "ids": tf.where(chosen, self._corrupt(ids, keys, at), ids),
            "mask": tf.cast(inside, tf.int32),
            "positions": positions,
            "targets": tf.gather(ids, positions, batch_dims=1),
            "weights": tf.cast(slot < num[:, None], tf.float32),
        }

    def _corrupt(self, ids: tf.Tensor, keys: tf.Tensor, at: tf.Tensor) -> tf.Tensor:
        coin, draw = uniform(keys, at, 2), uniform(keys, at, 3)
        random = tf.cast(draw * self.vocabulary_size, tf.int32)
        random = tf.minimum(random, self.vocabulary_size - 1)
        masked = tf.fill(tf.shape(ids), self.specials.mask)
        return tf.where(coin < 0.8, masked, tf.where(coin < 0.9, random, ids))


class CausalLM(Task):
    """Predicts every next token; the output layer is the token embedding."""

    def _build(self) -> keras.Model:
        hidden = self.family.sequence(self._hidden)
        logits = self.backbone.token_embedding(hidden, reverse=True)
        return keras.Model({"ids": self._ids, "mask": self._mask}, logits)

    @override
    def features(self, rows: Rows) -> Features:
        ids, length = rows["ids"], rows["length"]
        at = tf.range(tf.shape(ids)[1] - 1)[None, :]
        return {
            "ids": ids[:, :-1],
            "mask": tf.cast(at < length[:, None], tf.int32),
            "targets": ids[:, 1:],
            "weights": tf.cast(at + 1 < length[:, None], tf.float32),
        }


class Classify(Task):
    """Predicts one label of several from the pooled hidden states."""

    def _build(self) -> keras.Model:
        pooled = self.family.pooled(self._hidden, self._mask, self.config)
        pooled = keras.layers.Dropout(self.config.dropout, name="dropout")(pooled)
        logits = keras.layers.Dense(
            self.num_labels,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="logits",
        )(pooled)
        return keras.Model({"ids": self._ids, "mask": self._mask}, logits)

    @override
    def features(self, rows: Rows) -> Features:
        at = tf.range(tf.shape(rows["ids"])[1])[None, :]
        return {
            "ids": rows["ids"],
            "mask": tf.cast(at < rows["length"][:, None], tf.int32),
            "targets": rows["label"],
            "weights": tf.ones_like(rows["label"], tf.float32),
        }


TASKS: dict[str, type[Task]] = {
    "masked_lm": MaskedLM,
    "causal_lm": CausalLM,
    "classify": Classify,
}
