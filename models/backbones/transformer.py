"""The configurable transformer; the classic recipes are KerasHub's.

Attention and positions follow from one mask, int32 ``[batch, length]``: 1 for tokens of
the first document, 2 for the second and so on, 0 for padding. Tokens attend to their
own document, whose positions begin at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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

_BASE_WIDTH, EMBEDDING_DEVIATION = 768, 0.02
_EPSILON, _CLASSIC_EPSILON = 1e-6, 1e-5
_LONGEST_PERIOD = 10_000.0


def initializer(config: ModelConfig) -> keras.initializers.Initializer:
    """Returns the initializer of kernels: BERT's, scaled by 1/sqrt(width)."""
    factor = math.sqrt(_BASE_WIDTH / config.width)
    return keras.initializers.TruncatedNormal(stddev=EMBEDDING_DEVIATION * factor)


def output_initializer(config: ModelConfig) -> keras.initializers.Initializer:
    """Returns the initializer of the last kernel of a residual branch or the model."""
    if config.blocks.zero_outputs:
        return keras.initializers.Zeros()
    return initializer(config)


class TransformerBlock(keras.layers.Layer):
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
        """Builds the sublayers."""
        head = (None, None, None, self._config.width // self._config.heads)
        inner = (None, None, self._config.feed_forward_size)
        for layer in self._flatten_layers(include_self=False, recursive=False):
            shape = x_shape
            if layer.name.endswith(("query_norm", "key_norm")):
                shape = head
            elif layer is self._feedforward_output:
                shape = inner
            layer.build(shape)
        self.built = True

    def call(
        self,
        x: Any,
        attention_mask: Any,
        rotations: Any = None,
        training: bool | None = None,
    ) -> Any:
        """Runs the block.

        Args:
            x: hidden states ``[b, l, width]``.
            attention_mask: bool ``[b, l, l]``, true where a query sees a key.
            rotations: cosines and sines of ``rotary``, or None.
            training: apply dropout.
        """
        return self.transform(
            x,
            lambda y: self._attend(y, attention_mask, rotations, training),
            training=training,
        )

    def transform(
        self, x: Any, attention: Callable[[Any], Any], *, training: bool | None = None
    ) -> Any:
        """Runs the block with another attention, such as that over a cache.

        Args:
            x: hidden states ``[b, l, width]``.
            attention: maps the input of attention to its output, both of that shape.
            training: apply dropout.
        """
        x = self._add(x, attention, self._attention_norm, training)
        return self._add(x, self._feed_forward, self._feedforward_norm, training)

    def _add(
        self,
        x: Any,
        part: Callable[[Any], Any],
        layer_norm: keras.layers.Layer,
        training: bool | None,
    ) -> Any:
        """Adds a part's output, with the norm before or after it."""
        is_pre_norm = self._blocks.norm == "pre"
        y = part(layer_norm(x) if is_pre_norm else x)
        x = x + self._dropout(y, training=training)
        return x if is_pre_norm else layer_norm(x)

    def _attend(
        self, x: Any, attention_mask: Any, rotations: Any, training: bool | None
    ) -> Any:
        query, key, value = self.project(x, rotations)
        return self.attend(query, key, value, attention_mask, training=training)

    def project(self, x: Any, rotations: Any = None) -> tuple[Any, Any, Any]:
        """Returns queries, keys and values ``[b, l, heads, size]`` of states.

        Args:
            x: the input of self-attention ``[b, l, width]``.
            rotations: cosines and sines of ``rotary`` for its positions, or None.
        """
        heads, width = self._config.heads, self._config.width
        shape = (-1, ops.shape(x)[1], heads, width // heads)
        query, key, value = (
            ops.reshape(layer(x), shape)
            for layer in (self._query, self._key, self._value)
        )
        if self._blocks.qk_norm:
            query, key = self._query_norm(query), self._key_norm(key)
        if rotations is not None:
            query, key = apply_rotary(query, rotations), apply_rotary(key, rotations)
        return query, key, value

    def attend(
        self,
        query: Any,
        key: Any,
        value: Any,
        attention_mask: Any,
        *,
        training: bool | None = None,
    ) -> Any:
        """Returns the output of attention ``[b, q, width]``.

        Args:
            query: ``[b, q, heads, size]``.
            key: ``[b, k, heads, size]``, of the same states or of a cache.
            value: like the keys.
            attention_mask: bool ``[b, q, k]``, true where a query sees a key.
            training: apply dropout.
        """
        weights = attention_weights(query, key, attention_mask)
        weights = self._attention_dropout(weights, training=training)
        context = ops.einsum("bhqk,bkhe->bqhe", weights, value)
        shape = (-1, ops.shape(query)[1], self._config.width)
        return self._attention_output(ops.reshape(context, shape))

    def _feed_forward(self, x: Any) -> Any:
        exact = self._blocks.activation == "gelu_exact"
        if self._blocks.activation == "geglu":
            inner = self._inner(x) * ops.gelu(self._gate(x), approximate=True)
        else:
            inner = ops.gelu(self._inner(x), approximate=not exact)
        return self._feedforward_output(inner)


def attention_weights(query: Any, key: Any, attention_mask: Any) -> Any:
    """Returns the shares of keys ``[b, heads, q, k]``, a softmax in float32.

    Args:
        query: ``[b, q, heads, size]``.
        key: ``[b, k, heads, size]``.
        attention_mask: bool ``[b, q, k]``, true where a query sees a key.
    """
    scores = ops.einsum("bqhe,bkhe->bhqk", query, key) / math.sqrt(query.shape[-1])
    scores = ops.where(attention_mask[:, None], ops.cast(scores, "float32"), -1e9)
    return ops.cast(ops.softmax(scores), key.dtype)


def norm(
    config: ModelConfig, name: str, *, shifted: bool = True
) -> keras.layers.LayerNormalization:
    """Returns a layer norm, with a shift only if layers have biases."""
    return keras.layers.LayerNormalization(
        epsilon=_CLASSIC_EPSILON if config.is_classic else _EPSILON,
        center=shifted and config.blocks.biases,
        name=name,
    )


def rotary(positions: Any, size: int) -> Any:
    """Returns cosines and sines ``[2, b, l, 1, size / 2]``, float32, by position."""
    periods = _LONGEST_PERIOD ** (ops.arange(0, size, 2, dtype="float32") / size)
    angles = ops.cast(positions, "float32")[:, :, None, None] / periods
    return ops.stack([ops.cos(angles), ops.sin(angles)])


def apply_rotary(x: Any, rotations: Any) -> Any:
    """Rotates the pairs (i, i + half) of ``[b, l, heads, size]`` by their angles."""
    cosines, sines = ops.cast(rotations[0], x.dtype), ops.cast(rotations[1], x.dtype)
    first, second = ops.split(x, 2, axis=-1)
    rotated = (first * cosines - second * sines, second * cosines + first * sines)
    return ops.concatenate(rotated, axis=-1)


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
    names = ["token_ids", "padding_mask"]
    if not causal:
        names.append("segment_ids")
    inputs = {n: keras.Input((None,), dtype="int32", name=n) for n in names}
    attention_mask, positions = document_mask_and_positions(inputs["padding_mask"])
    if causal:
        index = ops.cumsum(ops.ones_like(positions), axis=1)
        attention_mask = ops.logical_and(
            attention_mask, index[:, :, None] >= index[:, None, :]
        )
    x = _embed(config, inputs, positions, vocabulary_size=vocabulary_size)
    rotations = None
    if config.blocks.positions == "rotary":
        rotations = rotary(positions, config.width // config.heads)
    for i in range(config.layers):
        block = TransformerBlock(config, name=f"transformer_layer_{i}")
        if config.activation_checkpointing:
            checkpoint_activations(block)
        x = block(x, attention_mask, rotations)
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
    start = keras.initializers.TruncatedNormal(stddev=EMBEDDING_DEVIATION)
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
    """Returns the same layers for rows of several documents (``document_model``)."""

    def encode(ids: Any, segments: Any) -> Any:
        inputs = {"token_ids": ids, "padding_mask": segments}
        if "segment_ids" in backbone.input:
            inputs["segment_ids"] = ops.zeros_like(ids)
        return backbone(inputs)

    return document_model(encode)
