"""Floating point operations of a training step, counted from the model's dimensions.

Counts the multiplications and additions of matrix products; the rest is a few percent
(``tests/models/backbones/test_flops.py`` compares with XLA's count). Standard library
only.
"""

from __future__ import annotations

from textmill.models.config import ModelConfig

_FORWARD_AND_BACKWARD = 3
"""The backward pass of a product is two products of the same size."""


def train_flops(config: ModelConfig, *, length: int, head: int) -> float:
    """Returns the operations of one row's forward and backward pass.

    Activation checkpointing's recomputation is not counted, as usual for MFU.

    Args:
        config: the model's dimensions.
        length: tokens of the row, padding included; of an encoder-decoder's source,
            and of its target up to its longest.
        head: operations of the task's head: ``Task.head_flops``.
    """
    forward = length * config.layers * _block_flops(config, length) + head
    if config.family == "encoder_decoder":
        target = min(length, config.longest_target)
        decoder = _block_flops(config, target) + _cross_flops(config, length)
        forward += config.layers * (target * decoder + length * _memory_flops(config))
    return float(_FORWARD_AND_BACKWARD * forward)


def _block_flops(config: ModelConfig, length: int) -> int:
    """Returns one token's operations in one block, attending to ``length`` tokens."""
    if config.family == "lstm":
        # Four gates, each of the input and of the previous state.
        return 4 * 2 * 2 * config.width * config.width
    width, inner = config.width, config.feed_forward_size
    matrices = 3 if config.blocks.activation == "geglu" else 2
    projections = 4 * 2 * width * width
    attention = 2 * 2 * width * length
    return projections + attention + matrices * 2 * width * inner


def _cross_flops(config: ModelConfig, length: int) -> int:
    """Returns one target token's operations in attention to a source."""
    return 2 * 2 * config.width * config.width + 2 * 2 * config.width * length


def _memory_flops(config: ModelConfig) -> int:
    """Returns one source token's operations for a decoder block's keys and values."""
    return 2 * 2 * config.width * config.width
