"""GPT over a cache: reads a prompt once, then a token a step.

The values are those of the whole model. Every row has its own length, and its keys and
values are written where they belong. A row that has filled the window goes on with the
later half of it, which is read again: learned positions end there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import keras_hub
import tensorflow as tf

from textmill.models.backbones.transformer import rotary
from textmill.models.config import ModelConfig

State = dict[str, tf.Tensor]
Extend = Callable[[int, Any, Any], tuple[Any, Any, Any]]
"""Maps a block's number and the keys and values of new tokens to those of all tokens,
``[b, k, heads, size]``, and the mask bool ``[b, q, k]`` of who sees whom."""


class _Layers(Protocol):
    """A backbone's layers, with attention over given keys and values."""

    def embed(self, ids: Any, positions: Any) -> Any:
        """Returns the input of the first block ``[b, q, width]``."""

    def block(self, number: int, x: Any, positions: Any, extend: Extend) -> Any:
        """Runs a block on new tokens."""

    def normalize(self, x: Any) -> Any:
        """Returns the states of the last block, as the output layer reads them."""


class _OwnLayers:
    """The layers of ``transformer``."""

    def __init__(self, backbone: Any, config: ModelConfig) -> None:
        self._layer, self._config = backbone.get_layer, config

    def embed(self, ids: Any, positions: Any) -> Any:
        x = self._layer("token_embedding")(ids)
        if self._config.blocks.positions == "learned":
            x = x + self._layer("position_embedding")(x, positions=positions)
        return self._layer("embeddings_norm")(x)

    def block(self, number: int, x: Any, positions: Any, extend: Extend) -> Any:
        block, rotations = self._layer(f"transformer_layer_{number}"), None
        if self._config.blocks.positions == "rotary":
            rotations = rotary(positions, self._config.width // self._config.heads)

        def attention(y: Any) -> Any:
            query, key, value = block.project(y, rotations)
            return block.attend(query, *extend(number, key, value))

        return block.transform(x, attention)

    def normalize(self, x: Any) -> Any:
        return self._layer("output_norm")(x) if self._config.blocks.norm == "pre" else x


class _KerasHubLayers:
    """The layers of KerasHub's GPT-2, whose own cache has one position for all rows."""

    def __init__(self, backbone: Any) -> None:
        self._backbone = backbone

    def embed(self, ids: Any, positions: Any) -> Any:
        tokens = self._backbone.token_embedding(ids)
        return tokens + self._backbone.position_embedding(tokens, positions=positions)

    def block(self, number: int, x: Any, positions: Any, extend: Extend) -> Any:
        block = self._backbone.transformer_layers[number]
        attention = block._self_attention_layer
        y = block._self_attention_layer_norm(x)
        query, key, value = (
            layer(y)
            for layer in (
                attention._query_dense,
                attention._key_dense,
                attention._value_dense,
            )
        )
        key, value, mask = extend(number, key, value)
        y, _ = attention._compute_attention(query, key, value, attention_mask=mask)
        x = x + attention._output_dense(y)
        y = block._feedforward_layer_norm(x)
        y = block._feedforward_intermediate_dense(y)
        return x + block._feedforward_output_dense(y)

    def normalize(self, x: Any) -> Any:
        return self._backbone.layer_norm(x)


def _layers(backbone: Any, config: ModelConfig) -> _Layers:
    if isinstance(backbone, keras_hub.models.GPT2Backbone):
        return _KerasHubLayers(backbone)
    return _OwnLayers(backbone, config)


def start(
    backbone: Any,
    config: ModelConfig,
    ids: tf.Tensor,
    length: tf.Tensor,
    *,
    num_tokens: int | tf.Tensor,
) -> tuple[tf.Tensor, State]:
    """Reads prompts; returns states of the last tokens ``[b, width]``, and the cache.

    Args:
        backbone: of ``gpt.build_backbone``.
        config: its dimensions.
        ids: int32 ``[b, l]``, padded on the right, l up to the window.
        length: int32 ``[b]``, at least 1.
        num_tokens: the steps that will follow at most.
    """
    slots = tf.minimum(tf.shape(ids)[1] + num_tokens, config.sequence_length)
    return _read(_layers(backbone, config), config, ids, length, slots)


def _read(
    layers: _Layers,
    config: ModelConfig,
    ids: tf.Tensor,
    length: tf.Tensor,
    slots: tf.Tensor,
) -> tuple[tf.Tensor, State]:
    positions = tf.range(tf.shape(ids)[1])[None, :]
    room = [[0, 0], [0, slots - tf.shape(ids)[1]]]
    state: State = {"ids": tf.pad(ids, room), "position": length}
    # Padding follows the tokens of a row, so no token of it sees any.
    is_before = positions[:, :, None] >= positions[:, None, :]  # [1, l, l]

    def extend(number: int, key: Any, value: Any) -> tuple[Any, Any, Any]:
        for name, new in (("key", key), ("value", value)):
            state[f"{name}_{number}"] = tf.pad(new, [*room, [0, 0], [0, 0]])
        return key, value, is_before

    x = layers.embed(ids, positions)
    for number in range(config.layers):
        x = layers.block(number, x, positions, extend)
    last = tf.gather(x, length - 1, batch_dims=1)
    return layers.normalize(last[:, None])[:, 0], state


def step(
    backbone: Any, config: ModelConfig, tokens: tf.Tensor, state: State
) -> tuple[tf.Tensor, State]:
    """Reads a token a row; returns its states ``[b, width]`` and the next cache.

    Args:
        backbone: of ``gpt.build_backbone``.
        config: its dimensions.
        tokens: int32 ``[b]``.
        state: of ``start`` or of an earlier step.
    """
    layers = _layers(backbone, config)
    state = tf.cond(
        tf.reduce_any(state["position"] >= config.sequence_length),
        lambda: _slide(layers, config, state),
        lambda: dict(state),
    )
    position = state["position"]
    places = tf.stack([tf.range(tf.shape(position)[0]), position], axis=1)
    slots = tf.range(tf.shape(state["ids"])[1])
    is_read = (slots[None, :] <= position[:, None])[:, None, :]  # [b, 1, slots]
    following = {
        "ids": tf.tensor_scatter_nd_update(state["ids"], places, tokens),
        "position": position + 1,
    }

    def extend(number: int, key: Any, value: Any) -> tuple[Any, Any, Any]:
        for name, new in ((f"key_{number}", key), (f"value_{number}", value)):
            following[name] = tf.tensor_scatter_nd_update(
                state[name], places, new[:, 0]
            )
        return following[f"key_{number}"], following[f"value_{number}"], is_read

    x = layers.embed(tokens[:, None], position[:, None])
    for number in range(config.layers):
        x = layers.block(number, x, position[:, None], extend)
    return layers.normalize(x)[:, 0], following


def _slide(layers: _Layers, config: ModelConfig, state: State) -> State:
    """Reads the later half of the full rows again, from position 0 on."""
    window = config.sequence_length
    half = window // 2
    position = state["position"]
    is_full = position >= window
    ids = tf.pad(state["ids"][:, window - half :], [[0, 0], [0, window - half]])
    ids = tf.where(is_full[:, None], ids, state["ids"])
    length = tf.where(is_full, half, position)
    _, read = _read(layers, config, ids, length, tf.constant(window))

    def chosen(name: str) -> tf.Tensor:
        shape = [-1] + [1] * (state[name].shape.rank - 1)
        return tf.where(tf.reshape(is_full, shape), read[name], state[name])

    return {name: chosen(name) for name in state}
