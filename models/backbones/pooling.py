"""Pooling of token states."""

from __future__ import annotations

import keras


def mean_of_tokens(
    hidden: keras.KerasTensor, mask: keras.KerasTensor
) -> keras.KerasTensor:
    """Returns the mean ``[batch, width]`` of the states where the mask is 1.

    Args:
        hidden: ``[batch, length, width]``.
        mask: int32 ``[batch, length]``.
    """
    weights = keras.ops.cast(mask, hidden.dtype)[:, :, None]
    total = keras.ops.sum(hidden * weights, axis=1)
    return total / keras.ops.sum(weights, axis=1)
