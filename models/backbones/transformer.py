"""The transformer whose parts can be chosen; the classics are KerasHub's.

Of what a block needs of its row, everything is in one mask: int32 ``[batch, length]``,
1 for the tokens of the first document, 2 for those of the second and so on, 0 for
padding. A token sees its own document, whose positions begin at 0.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import keras_hub
from keras import ops

from textmill.models.backbones.activation_checkpointing import checkpoint_activations
from textmill.models.backbones.attention import (
    document_mask_and_positions,
    document_model,
)
from textmill.models.config import ModelConfig

_BASE_WIDTH, _BASE_DEVIATION = 768, 0.02
_EPSILON = 1e-6
_LONGEST_PERIOD = 10_000.0


def initializer(config: ModelConfig) -> keras.initializers.Initializer:
    """Returns that of kernels: BERT's at its width, wider in narrow models."""
    factor = math.sqrt(_BASE_WIDTH / config.width)
    return keras.initializers.TruncatedNormal(stddev=_BASE_DEVIATION * factor)


def output_initializer(config: ModelConfig) -> keras.initializers.Initializer:
    """Returns that of kernels that end a block, or the model."""
    return (
        keras.initializers.Zeros()
        if config.blocks.zero_outputs
        else (initializer(config))
    )


class Block(keras.layers.Layer):
    """Attention, then a feed-forward layer, each with a residual connection."""

    def __init__(self, config: ModelConfig, *, name: str) -> None:
        super().__init__(name=name)
        self._config, self._blocks = config, config.blocks
        width, biased = config.width, self._blocks.biases

        def dense(name: str, units: int, **knobs: Any) -> keras.layers.Dense:
            knobs = {"kernel_initializer": initializer(config), **knobs}
            return keras.layers.Dense(units, use_bias=biased, name=name, **knobs)

        last = {"kernel_initializer": output_initializer(config)}
        self._query, self._key, self._value = (
            dense(name, width) for name in ("query", "key", "value")
        )
        self._attention_output = dense("attention_output", width, **last)
        self._attention_norm = norm(config, "attention_norm")
        self._attention_dropout = keras.layers.Dropout(config.dropout)
        self._dropout = keras.layers.Dropout(config.dropout)
        if self._blocks.qk_norm:
            self._query_norm = norm(config, "query_norm", shifted=False)
            self._key_norm = norm(config, "key_norm", shifted=False)
        self._inner = dense("feedforward_inner", config.feed_forward_size)
        if self._blocks.activation == "geglu":
            self._gate = dense("feedforward_gate", config.feed_forward_size)
        self._feedforward_output = dense("feedforward_output", width, **last)
        self._feedforward_norm = norm(config, "feedforward_norm")

    def build(self, x_shape: Any) -> None:
        """Makes the weights."""
        head = (None, None, None, self._config.width // self._config.heads)
        inner = (None, None, self._config.feed_forward_size)
        for layer in self._flatten_layers(include_self=False, recursive=False):
            shape = x_shape
            if layer.name in ("query_norm", "key_norm"):
                shape = head
            elif layer is self._feedforward_output:
                shape = inner
            layer.build(shape)
        self.built = True

    def call(
        self, x: Any, seen: Any, turns: Any = None, training: bool | None = None
    ) -> Any:
        """Runs the block.

        Args:
            x: hidden states ``[b, l, width]``.
            seen: which tokens see each other, bool ``[b, l, l]``.
            turns: cosines and sines of ``rotary``, or None.
            training: whether to drop activations.
        """
        before = self._blocks.norm == "pre"
        parts = (
            (self._attention_norm, lambda y: self._attend(y, seen, turns, training)),
            (self._feedforward_norm, self._feed_forward),
        )
        for layer_norm, part in parts:
            y = part(layer_norm(x) if before else x)
            x = x + self._dropout(y, training=training)
            x = x if before else layer_norm(x)
        return x

    def _attend(self, x: Any, seen: Any, turns: Any, training: bool | None) -> Any:
        heads, width = self._config.heads, self._config.width
        shape = (-1, ops.shape(x)[1], heads, width // heads)
        query, key, value = (
            ops.reshape(layer(x), shape)
            for layer in (self._query, self._key, self._value)
        )
        if self._blocks.qk_norm:
            query, key = self._query_norm(query), self._key_norm(key)
        if turns is not None:
            query, key = turn(query, turns), turn(key, turns)
        scores = ops.einsum("bqhe,bkhe->bhqk", query, key) / math.sqrt(width // heads)
        scores = ops.where(seen[:, None], ops.cast(scores, "float32"), -1e9)
        shares = ops.cast(ops.softmax(scores), value.dtype)
        shares = self._attention_dropout(shares, training=training)
        mixed = ops.einsum("bhqk,bkhe->bqhe", shares, value)
        return self._attention_output(ops.reshape(mixed, (-1, ops.shape(x)[1], width)))

    def _feed_forward(self, x: Any) -> Any:
        exact = self._blocks.activation == "gelu_exact"
        if self._blocks.activation == "geglu":
            inner = self._inner(x) * ops.gelu(self._gate(x), approximate=True)
        else:
            inner = ops.gelu(self._inner(x), approximate=not exact)
        return self._feedforward_output(inner)


def norm(
    config: ModelConfig, name: str, *, shifted: bool = True
) -> keras.layers.LayerNormalization:
    """Returns a layer norm, which shifts only where layers have biases."""
    return keras.layers.LayerNormalization(
        epsilon=_EPSILON, center=shifted and config.blocks.biases, name=name
    )


def rotary(positions: Any, size: int) -> Any:
    """Returns cosines and sines ``[2, b, l, 1, size / 2]``, float32, by position."""
    periods = _LONGEST_PERIOD ** (ops.arange(0, size, 2, dtype="float32") / size)
    angles = ops.cast(positions, "float32")[:, :, None, None] / periods
    return ops.stack([ops.cos(angles), ops.sin(angles)])


def turn(x: Any, turns: Any) -> Any:
    """Turns the pairs (i, i + half) of ``[b, l, heads, size]`` by their angles."""
    cosines, sines = ops.cast(turns[0], x.dtype), ops.cast(turns[1], x.dtype)
    first, second = ops.split(x, 2, axis=-1)
    turned = (first * cosines - second * sines, second * cosines + first * sines)
    return ops.concatenate(turned, axis=-1)


def adapt(backbone: keras.Model, config: ModelConfig) -> keras.Model:
    """Sets activation, norms and checkpointing of a KerasHub backbone's blocks."""
    for block in backbone.transformer_layers:
        if config.blocks.activation == "gelu_exact":
            block._feedforward_intermediate_dense.activation = keras.activations.gelu
        if config.activation_checkpointing:
            checkpoint_activations(block)
    return backbone


def build(config: ModelConfig, *, vocabulary_size: int, causal: bool) -> keras.Model:
    """Returns a backbone with the inputs and outputs of KerasHub's BERT or GPT-2."""
    names = ["token_ids", "padding_mask", *(["segment_ids"] * (not causal))]
    inputs = {n: keras.Input((None,), dtype="int32", name=n) for n in names}
    seen, positions = document_mask_and_positions(inputs["padding_mask"])
    if causal:
        at = ops.cumsum(ops.ones_like(positions), axis=1)
        seen = ops.logical_and(seen, at[:, :, None] >= at[:, None, :])
    x = _embed(config, inputs, positions, vocabulary_size=vocabulary_size)
    turns = None
    if config.blocks.positions == "rotary":
        turns = rotary(positions, config.width // config.heads)
    for i in range(config.layers):
        block = Block(config, name=f"transformer_layer_{i}")
        if config.activation_checkpointing:
            checkpoint_activations(block)
        x = block(x, seen, turns)
    if config.blocks.norm == "pre":
        x = norm(config, "output_norm")(x)
    outputs: Any = x
    if not causal:
        pooled = keras.layers.Dense(
            config.width,
            activation="tanh",
            use_bias=config.blocks.biases,
            kernel_initializer=initializer(config),
            name="pooled_dense",
        )
        outputs = {"sequence_output": x, "pooled_output": pooled(x[:, 0, :])}
    backbone = keras.Model(inputs, outputs, name="backbone")
    backbone.token_embedding = backbone.get_layer("token_embedding")
    return backbone


def _embed(
    config: ModelConfig, inputs: dict[str, Any], positions: Any, *, vocabulary_size: int
) -> Any:
    start = keras.initializers.TruncatedNormal(stddev=_BASE_DEVIATION)
    x = tokens = keras_hub.layers.ReversibleEmbedding(
        vocabulary_size,
        config.width,
        embeddings_initializer=start,
        name="token_embedding",
    )(inputs["token_ids"])
    if config.blocks.positions == "learned":
        embedding = keras_hub.layers.PositionEmbedding(
            config.sequence_length, initializer=start, name="position_embedding"
        )
        x = x + embedding(tokens, positions=positions)
    if "segment_ids" in inputs:
        segments = keras.layers.Embedding(
            2, config.width, embeddings_initializer=start, name="segment_embedding"
        )
        x = x + segments(inputs["segment_ids"])
    x = norm(config, "embeddings_norm")(x)
    return keras.layers.Dropout(config.dropout, name="embeddings_dropout")(x)


def with_document_mask(backbone: keras.Model) -> keras.Model:
    """Returns the backbone, which keeps documents apart, as ``bert.apart`` names it."""

    def encode(ids: Any, segments: Any) -> Any:
        inputs = {"token_ids": ids, "padding_mask": segments}
        if "segment_ids" in backbone.input:
            inputs["segment_ids"] = ops.zeros_like(ids)
        return backbone(inputs)

    return document_model(encode)
