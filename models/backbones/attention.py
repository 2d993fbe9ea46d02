"""Attention within the documents of a packed row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


def document_mask_and_positions(
    segments: keras.KerasTensor,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Builds the attention mask and the positions of packed documents.

    Args:
        segments: int32 ``[batch, length]``: 1 for the first document, 2 for the second
            and so on, 0 for the padding after them.

    Returns:
        The attention mask, bool ``[batch, length, length]``, in which padding attends
        to padding, so every softmax has at least one term; and the position of every
        token in its document, int32 ``[batch, length]``.
    """
    query, key = segments[:, :, None], segments[:, None, :]
    # Documents are in order: the earlier ones have smaller numbers.
    precedes = keras.ops.logical_and(key < query, key > 0)
    is_padding = keras.ops.logical_and(keras.ops.equal(query, 0), key > 0)
    precedes = keras.ops.cast(keras.ops.logical_or(precedes, is_padding), "int32")
    index = keras.ops.cumsum(keras.ops.ones_like(segments), axis=1) - 1
    return keras.ops.equal(query, key), index - keras.ops.sum(precedes, axis=2)


def document_model(encode: Callable[[Any, Any], Any]) -> keras.Model:
    """Wraps ``encode`` as a model for rows of several documents.

    Its inputs are ``ids`` and ``segments``, int32 ``[batch, length]``: each token's
    document number, 0 for padding.
    """
    inputs = {
        name: keras.Input((None,), dtype="int32", name=name)
        for name in ("ids", "segments")
    }
    return keras.Model(inputs, encode(**inputs), name="documents")
