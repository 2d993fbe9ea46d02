"""LSTM (Hochreiter and Schmidhuber, 1997): the baseline of classifiers.

An embedding, forward layers, and the mean of their states. Supports neither packed
documents nor sentence types: each row is one text.
"""

from __future__ import annotations

import keras

from textmill.models.backbones.pooling import mean_of_tokens
from textmill.models.config import ModelConfig


def build_backbone(config: ModelConfig, *, vocabulary_size: int) -> keras.Model:
    """Returns an embedding and LSTM layers of the model's width."""
    ids, mask = (
        keras.Input((None,), dtype="int32", name=name)
        for name in ("token_ids", "padding_mask")
    )
    x = keras.layers.Embedding(vocabulary_size, config.width, name="token_embedding")(
        ids
    )
    seen = keras.ops.cast(mask, "bool")
    for i in range(config.layers):
        x = keras.layers.Dropout(config.dropout, name=f"dropout_{i}")(x)
        # cuDNN's kernel gives other bits than XLA's.
        x = keras.layers.LSTM(
            config.width, return_sequences=True, use_cudnn=False, name=f"lstm_{i}"
        )(x, mask=seen)
    return keras.Model({"token_ids": ids, "padding_mask": mask}, x, name="backbone")


def inputs(ids: keras.KerasTensor, mask: keras.KerasTensor) -> dict[str, object]:
    """Maps ids and padding mask ``[batch, length]`` to the backbone's inputs."""
    return {"token_ids": ids, "padding_mask": mask}


def sequence(outputs: keras.KerasTensor) -> keras.KerasTensor:
    """Returns states ``[batch, length, width]``."""
    return outputs


def pooled(
    outputs: keras.KerasTensor, mask: keras.KerasTensor, config: ModelConfig
) -> keras.KerasTensor:
    """Returns the mean of the tokens' states ``[batch, width]``."""
    return mean_of_tokens(outputs, mask)
