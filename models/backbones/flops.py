"""Floating point operations of a training step, counted from the model's shape.

Multiplications and additions of matrix products, two a pair; all else is a few percent
(``tests/models/test_flops.py`` compares with what XLA counts). Standard library only.
"""

from __future__ import annotations

from textmill.models.config import ModelConfig

_FORWARD_AND_BACKWARD = 3
"""A product's backward pass is two more products of its size."""


def train_flops(config: ModelConfig, *, length: int, head: int) -> float:
    """Returns the operations of one row's forward and backward pass.

    Operations repeated by activation checkpointing are not counted, as usual for MFU.

    Args:
        config: the model's shape.
        length: tokens of the row, padding included.
        head: operations of the task's head: ``Task.head_flops``.
    """
    forward = length * config.layers * _block_flops(config, length) + head
    return float(_FORWARD_AND_BACKWARD * forward)


def _block_flops(config: ModelConfig, length: int) -> int:
    """Counts one token in one block; it meets every token of its row."""
    if config.family == "lstm":
        # Four gates, each of the token and of the state before it.
        return 4 * 2 * 2 * config.width * config.width
    width, inner = config.width, config.feed_forward_size
    matrices = 3 if config.blocks.activation == "geglu" else 2
    projections = 4 * 2 * width * width
    attention = 2 * 2 * width * length
    return projections + attention + matrices * 2 * width * inner
