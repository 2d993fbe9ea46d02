"""Attention inside the documents of a packed row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


def document_mask_and_positions(
    segments: keras.KerasTensor,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Masks attention between the documents of a row.

    Args:
        segments: int32 ``[batch, length]``: 1 in the first document, 2 in the second
            and so on, 0 in the padding behind them.

    Returns:
        Which tokens see each other, bool ``[batch, length, length]`` (padding sees
        padding, so that no softmax is over nothing), and the position of every token in
        its document, int32 ``[batch, length]``.
    """
    here, there = segments[:, :, None], segments[:, None, :]
    # Documents follow each other: those before are those with smaller numbers.
    before = keras.ops.logical_and(there < here, there > 0)
    is_padding = keras.ops.logical_and(keras.ops.equal(here, 0), there > 0)
    before = keras.ops.cast(keras.ops.logical_or(before, is_padding), "int32")
    at = keras.ops.cumsum(keras.ops.ones_like(segments), axis=1) - 1
    return keras.ops.equal(here, there), at - keras.ops.sum(before, axis=2)


def document_model(encode: Callable[[Any, Any], Any]) -> keras.Model:
    """Returns a model for rows of several documents, whose outputs ``encode`` makes.

    It takes ``ids`` and ``segments``, int32 ``[batch, length]``, the number of every
    token's document, 0 for padding.
    """
    inputs = {
        name: keras.Input((None,), dtype="int32", name=name)
        for name in ("ids", "segments")
    }
    return keras.Model(inputs, encode(**inputs), name="apart")
