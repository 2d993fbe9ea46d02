"""GPT: the causal decoder (GPT-2, Radford et al., 2019).

The classic recipe is KerasHub's GPT-2; other recipes use ``transformer``.
"""

from __future__ import annotations

from typing import Any

import keras
import keras_hub

from textmill.models.backbones import gpt_cache, transformer
from textmill.models.backbones.attention import (
    document_mask_and_positions,
    document_model,
)
from textmill.models.config import ModelConfig


def build_backbone(config: ModelConfig, *, vocabulary_size: int) -> keras.Model:
    """Returns a GPT backbone."""
    if not config.is_classic:
        return transformer.build(config, vocabulary_size=vocabulary_size, causal=True)
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=vocabulary_size,
        num_layers=config.layers,
        num_heads=config.heads,
        hidden_dim=config.width,
        intermediate_dim=config.feed_forward_size,
        dropout=config.dropout,
        max_sequence_length=config.sequence_length,
        name="backbone",
    )
    return transformer.adapt(backbone, config)


def inputs(ids: keras.KerasTensor, mask: keras.KerasTensor) -> dict[str, object]:
    """Maps ids and padding mask ``[batch, length]`` to the backbone's inputs."""
    return {"token_ids": ids, "padding_mask": mask}


def with_document_mask(backbone: keras.Model) -> keras.Model:
    """Returns the same layers for rows of several documents (``document_model``).

    Tokens attend to their own document, whose positions begin at 0.
    """
    if not isinstance(backbone, keras_hub.models.GPT2Backbone):
        return transformer.with_document_mask(backbone)

    def encode(ids: Any, segments: Any) -> Any:
        same, positions = document_mask_and_positions(segments)
        tokens = backbone.token_embedding(ids)
        parts = (tokens, backbone.position_embedding(tokens, positions=positions))
        x = backbone.embeddings_dropout(backbone.embeddings_add(parts))
        for layer in backbone.transformer_layers:
            x = layer(x, decoder_attention_mask=same)
        return backbone.layer_norm(x)

    return document_model(encode)


start, step = gpt_cache.start, gpt_cache.step


def sequence(outputs: keras.KerasTensor) -> keras.KerasTensor:
    """Returns hidden states ``[batch, length, width]``."""
    return outputs


def pooled(
    outputs: keras.KerasTensor, mask: keras.KerasTensor, config: ModelConfig
) -> keras.KerasTensor:
    """Returns the last real token's state ``[batch, width]``."""
    last = keras.ops.sum(keras.ops.cast(mask, "int32"), axis=1, keepdims=True) - 1
    return keras.ops.take_along_axis(outputs, last[:, :, None], axis=1)[:, 0]
