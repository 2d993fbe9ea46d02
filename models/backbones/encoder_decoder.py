"""Encoder-decoder: a decoder that reads the states of a bidirectional encoder.

(Vaswani et al., 2017.) Blocks are those of ``transformer``; a block of the decoder also
attends to the encoder's states. One token embedding serves both sides, unless the
target has a vocabulary of its own. A row has a source and a target, so it holds one
document.

``start`` and ``step`` run the decoder token by token over a cache, with the same values
as the whole model.
"""

from __future__ import annotations

from typing import Any

import keras
import keras_hub
from keras import ops
from typing_extensions import override

from textmill.models.backbones.activation_checkpointing import checkpoint_activations
from textmill.models.backbones.attention import document_mask_and_positions
from textmill.models.backbones.transformer import (
    EMBEDDING_DEVIATION,
    TransformerBlock,
    attention_weights,
    initializer,
    norm,
    output_initializer,
    rotary,
)
from textmill.models.config import ModelConfig

State = dict[str, Any]
"""Tensors of a decoder between two tokens, each with the batch as its first axis."""


class DecoderBlock(TransformerBlock):
    """Self-attention, attention to the encoder's states, then a feed-forward layer."""

    def __init__(self, config: ModelConfig, *, name: str) -> None:
        super().__init__(config, name=name)

        def dense(name: str, kernel: Any) -> keras.layers.Dense:
            biased = self._blocks.biases
            return keras.layers.Dense(
                config.width, use_bias=biased, kernel_initializer=kernel, name=name
            )

        self._cross_query, self._cross_key, self._cross_value = (
            dense(f"cross_{part}", initializer(config))
            for part in ("query", "key", "value")
        )
        self._cross_output = dense("cross_output", output_initializer(config))
        self._cross_norm = norm(config, "cross_norm")
        if self._blocks.qk_norm:
            self._cross_query_norm = norm(config, "cross_query_norm", shifted=False)
            self._cross_key_norm = norm(config, "cross_key_norm", shifted=False)

    @override
    def call(
        self,
        x: Any,
        memory: Any,
        attention_mask: Any,
        memory_mask: Any,
        rotations: Any = None,
        training: bool | None = None,
    ) -> Any:
        """Runs the block.

        Args:
            x: hidden states ``[b, t, width]``.
            memory: the encoder's states ``[b, l, width]``.
            attention_mask: bool ``[b, t, t]``, true where a query sees a key.
            memory_mask: bool ``[b, 1, l]``, true for real tokens of the source.
            rotations: cosines and sines of ``rotary``, or None.
            training: apply dropout.
        """
        key, value = self.project_memory(memory)
        return self.transform_with_memory(
            x,
            lambda y: self._attend(y, attention_mask, rotations, training),
            lambda y: self.attend_to_memory(
                y, key, value, memory_mask, training=training
            ),
            training=training,
        )

    def transform_with_memory(
        self,
        x: Any,
        attention: Any,
        memory_attention: Any,
        *,
        training: bool | None = None,
    ) -> Any:
        """Runs the block with both attentions given: see ``transform``."""
        x = self._add(x, attention, self._attention_norm, training)
        x = self._add(x, memory_attention, self._cross_norm, training)
        return self._add(x, self._feed_forward, self._feedforward_norm, training)

    def project_memory(self, memory: Any) -> tuple[Any, Any]:
        """Returns keys and values ``[b, l, heads, size]`` of the encoder's states."""
        key = self._heads(self._cross_key(memory))
        if self._blocks.qk_norm:
            key = self._cross_key_norm(key)
        return key, self._heads(self._cross_value(memory))

    def attend_to_memory(
        self,
        x: Any,
        key: Any,
        value: Any,
        memory_mask: Any,
        *,
        training: bool | None = None,
    ) -> Any:
        """Returns the output of attention to the source ``[b, t, width]``.

        Args:
            x: hidden states ``[b, t, width]``.
            key: of ``project_memory``.
            value: of ``project_memory``.
            memory_mask: bool ``[b, 1, l]``, true for real tokens.
            training: apply dropout.
        """
        query = self._heads(self._cross_query(x))
        if self._blocks.qk_norm:
            query = self._cross_query_norm(query)
        weights = attention_weights(query, key, memory_mask)
        weights = self._attention_dropout(weights, training=training)
        context = ops.einsum("bhqk,bkhe->bqhe", weights, value)
        return self._cross_output(ops.reshape(context, ops.shape(x)))

    def _heads(self, x: Any) -> Any:
        heads, width = self._config.heads, self._config.width
        return ops.reshape(x, (-1, ops.shape(x)[1], heads, width // heads))


def build_backbone(
    config: ModelConfig, *, vocabulary_size: int, target_size: int | None = None
) -> keras.Model:
    """Returns a backbone with outputs ``encoder`` and ``decoder``, both states.

    Its inputs are int32: ``token_ids`` and ``padding_mask`` ``[b, l]`` of the source,
    and ``target_ids`` ``[b, t]``, the tokens that the decoder has read. Padding of the
    target comes last, so no real token sees it.

    Args:
        config: its dimensions.
        vocabulary_size: number of tokens.
        target_size: number of tokens of the target's own vocabulary, if it has one.
    """
    names = ("token_ids", "padding_mask", "target_ids")
    inputs = {n: keras.Input((None,), dtype="int32", name=n) for n in names}
    embedding = target_embedding = _token_embedding(
        config, vocabulary_size, "token_embedding"
    )
    if target_size is not None:
        target_embedding = _token_embedding(config, target_size, "target_embedding")
    memory = _encode(config, embedding, inputs["token_ids"], inputs["padding_mask"])
    states = _decode(config, target_embedding, inputs, memory)
    outputs = {"encoder": memory, "decoder": states}
    backbone = keras.Model(inputs, outputs, name="backbone")
    backbone.token_embedding = embedding
    backbone.target_embedding = target_embedding
    return backbone


def _token_embedding(config: ModelConfig, size: int, name: str) -> keras.layers.Layer:
    return keras_hub.layers.ReversibleEmbedding(
        size,
        config.width,
        embeddings_initializer=keras.initializers.TruncatedNormal(
            stddev=EMBEDDING_DEVIATION
        ),
        name=name,
    )


def inputs(
    ids: keras.KerasTensor, mask: keras.KerasTensor, target_ids: keras.KerasTensor
) -> dict[str, object]:
    """Maps source, padding mask and target to the backbone's inputs."""
    return {"token_ids": ids, "padding_mask": mask, "target_ids": target_ids}


def sequence(outputs: dict[str, keras.KerasTensor]) -> keras.KerasTensor:
    """Returns the decoder's states ``[batch, target, width]``."""
    return outputs["decoder"]


def _encode(config: ModelConfig, embedding: Any, ids: Any, mask: Any) -> Any:
    attention_mask, positions = document_mask_and_positions(mask)
    x = _embed(config, embedding, ids, positions, side="encoder")
    rotations = _rotations(config, positions)
    for i in range(config.layers):
        block = TransformerBlock(config, name=f"encoder_layer_{i}")
        if config.activation_checkpointing:
            checkpoint_activations(block)
        x = block(x, attention_mask, rotations)
    return _last_norm(config, x, side="encoder")


def _decode(
    config: ModelConfig, embedding: Any, inputs: dict[str, Any], memory: Any
) -> Any:
    ids = inputs["target_ids"]
    positions = ops.cumsum(ops.ones_like(ids), axis=1) - 1
    is_before = positions[:, :, None] >= positions[:, None, :]
    is_source = inputs["padding_mask"][:, None, :] > 0
    x = _embed(config, embedding, ids, positions, side="decoder")
    rotations = _rotations(config, positions)
    for i in range(config.layers):
        block = DecoderBlock(config, name=f"decoder_layer_{i}")
        if config.activation_checkpointing:
            checkpoint_activations(block)
        x = block(x, memory, is_before, is_source, rotations)
    return _last_norm(config, x, side="decoder")


def _embed(
    config: ModelConfig, embedding: Any, ids: Any, positions: Any, *, side: str
) -> Any:
    x = tokens = embedding(ids)
    if config.blocks.positions == "learned":
        is_source = side == "encoder"
        x = x + keras_hub.layers.PositionEmbedding(
            config.sequence_length if is_source else config.longest_target,
            initializer=keras.initializers.TruncatedNormal(stddev=EMBEDDING_DEVIATION),
            name=f"{side}_position_embedding",
        )(tokens, positions=positions)
    x = norm(config, f"{side}_embeddings_norm")(x)
    return keras.layers.Dropout(config.dropout, name=f"{side}_embeddings_dropout")(x)


def _rotations(config: ModelConfig, positions: Any) -> Any:
    if config.blocks.positions != "rotary":
        return None
    return rotary(positions, config.width // config.heads)


def _last_norm(config: ModelConfig, x: Any, *, side: str) -> Any:
    if config.blocks.norm != "pre":
        return x
    return norm(config, f"{side}_output_norm")(x)


def start(backbone: keras.Model, config: ModelConfig, ids: Any, mask: Any) -> State:
    """Encodes sources; returns the state of a decoder that has read no token.

    Args:
        backbone: of ``build_backbone``.
        config: its dimensions.
        ids: int32 ``[b, l]``.
        mask: int32 ``[b, l]``, 0 for padding.
    """
    sources = [backbone.input[name] for name in ("token_ids", "padding_mask")]
    encoder = keras.Model(sources, backbone.output["encoder"])
    memory = encoder([ids, mask], training=False)
    heads, batch = config.heads, ops.shape(ids)[0]
    shape = (batch, config.longest_target, heads, config.width // heads)
    empty = ops.zeros(shape, memory.dtype)
    state: State = {
        "position": ops.zeros((batch,), "int32"),
        "mask": ops.greater(mask, 0),
    }
    for i in range(config.layers):
        key, value = backbone.get_layer(f"decoder_layer_{i}").project_memory(memory)
        state[f"memory_{i}"] = ops.stack([key, value], axis=1)
        state[f"cache_{i}"] = ops.stack([empty, empty], axis=1)
    return state


def step(
    backbone: keras.Model, config: ModelConfig, tokens: Any, state: State
) -> tuple[Any, State]:
    """Reads a token a row; returns states ``[b, width]`` and the next state.

    Args:
        backbone: of ``build_backbone``.
        config: its dimensions.
        tokens: int32 ``[b]``, each row's next token.
        state: of ``start`` or of an earlier step. Tokens after the longest target
            are read as if in its last place.
    """
    layer = backbone.get_layer
    position = ops.minimum(state["position"], config.longest_target - 1)[:, None]
    x = backbone.target_embedding(tokens[:, None])
    if config.blocks.positions == "learned":
        x = x + layer("decoder_position_embedding")(x, positions=position)
    x = layer("decoder_embeddings_norm")(x)
    rotations = _rotations(config, position)
    slots = ops.arange(config.longest_target, dtype="int32")[None, :]
    is_written = (slots == position)[:, :, None, None]  # [b, target, 1, 1]
    is_read = (slots <= position)[:, None, :]  # [b, 1, target]
    following = dict(state, position=state["position"] + 1)

    for i in range(config.layers):
        block = layer(f"decoder_layer_{i}")
        memory, name = state[f"memory_{i}"], f"cache_{i}"

        def over_cache(y: Any, block: Any = block, name: str = name) -> Any:
            query, key, value = block.project(y, rotations)
            key = ops.where(is_written, key, state[name][:, 0])
            value = ops.where(is_written, value, state[name][:, 1])
            following[name] = ops.stack([key, value], axis=1)
            return block.attend(query, key, value, is_read)

        def over_memory(y: Any, block: Any = block, memory: Any = memory) -> Any:
            source = state["mask"][:, None, :]
            return block.attend_to_memory(y, memory[:, 0], memory[:, 1], source)

        x = block.transform_with_memory(x, over_cache, over_memory)
    if config.blocks.norm == "pre":
        x = layer("decoder_output_norm")(x)
    return x[:, 0], following
