"""BERT: the bidirectional encoder (Devlin et al., 2018).

The classic recipe is KerasHub's BERT; other recipes use ``transformer``.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import keras_hub

from textmill.models.backbones import transformer
from textmill.models.backbones.attention import (
    document_mask_and_positions,
    document_model,
)
from textmill.models.backbones.pooling import mean_of_tokens
from textmill.models.config import ModelConfig

_BASE_WIDTH = 768


def build_backbone(config: ModelConfig, *, vocabulary_size: int) -> keras.Model:
    """Returns a BERT backbone."""
    if not config.is_classic:
        return transformer.build(config, vocabulary_size=vocabulary_size, causal=False)
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=vocabulary_size,
        num_layers=config.layers,
        num_heads=config.heads,
        hidden_dim=config.width,
        intermediate_dim=config.feed_forward_size,
        dropout=config.dropout,
        max_sequence_length=config.sequence_length,
        num_segments=2,
        name="backbone",
    )
    _scale_kernels(backbone, math.sqrt(_BASE_WIDTH / config.width))
    return transformer.adapt(backbone, config)


def _scale_kernels(backbone: keras.Model, factor: float) -> None:
    """Scales initial kernels to the output scale of BERT-base.

    KerasHub initializes them with a deviation of 0.02 at every width; in a narrow model
    attention then adds almost nothing to the states, and is slow to learn.
    """
    for variable in backbone.trainable_variables:
        if variable.path.endswith("kernel"):
            variable.assign(variable * factor)


def inputs(
    ids: keras.KerasTensor,
    mask: keras.KerasTensor,
    types: keras.KerasTensor | None = None,
) -> dict[str, object]:
    """Maps ids, padding mask and sentence types ``[batch, length]`` to inputs."""
    return {
        "token_ids": ids,
        "segment_ids": keras.ops.zeros_like(ids) if types is None else types,
        "padding_mask": mask,
    }


def with_document_mask(backbone: keras.Model) -> keras.Model:
    """Returns the same layers for rows of several documents (``document_model``).

    Tokens attend to their own document, whose positions begin at 0.
    """
    if not isinstance(backbone, keras_hub.models.BertBackbone):
        return transformer.with_document_mask(backbone)

    def encode(ids: Any, segments: Any) -> dict[str, Any]:
        same, positions = document_mask_and_positions(segments)
        tokens = backbone.token_embedding(ids)
        parts = (
            tokens,
            backbone.position_embedding(tokens, positions=positions),
            backbone.segment_embedding(keras.ops.zeros_like(ids)),
        )
        x = backbone.embeddings_layer_norm(backbone.embeddings_add(parts))
        x = backbone.embeddings_dropout(x)
        for layer in backbone.transformer_layers:
            x = layer(x, attention_mask=same)
        pooled_output = backbone.pooled_dense(x[:, 0, :])
        return {"sequence_output": x, "pooled_output": pooled_output}

    return document_model(encode)


def sequence(outputs: dict[str, keras.KerasTensor]) -> keras.KerasTensor:
    """Returns hidden states ``[batch, length, width]``."""
    return outputs["sequence_output"]


def pooled(
    outputs: dict[str, keras.KerasTensor], mask: keras.KerasTensor, config: ModelConfig
) -> keras.KerasTensor:
    """Returns the mean of the token states, or the first one, ``[batch, width]``."""
    if config.pooling == "first":
        return outputs["pooled_output"]
    return mean_of_tokens(sequence(outputs), mask)
