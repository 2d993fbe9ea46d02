"""Floating point operations of a training step, counted from the model's shape.

Multiplications and additions of matrix products, two a pair; all else is a few percent
(``tests/models/test_flops.py`` compares with what XLA counts). Standard library only.
"""

from __future__ import annotations

from textmill.models.config import ModelConfig

_FORWARD_AND_BACKWARD = 3
"""A product's backward pass is two more products of its size."""


def train_flops(
    config: ModelConfig,
    *,
    task: str,
    vocabulary_size: int,
    length: int,
    slots: int | None = None,
    num_labels: int = 0,
) -> float:
    """Returns the operations of one row's forward and backward pass.

    What activation checkpointing computes again is not counted, as is usual for MFU.

    Args:
        config: the model's shape.
        task: what it learns.
        vocabulary_size: number of entries.
        length: tokens of the row, padding included.
        slots: predictions of masked_lm.
        num_labels: of a classifier.
    """
    forward = length * config.layers * _block_flops(config, length)
    forward += _head_flops(
        config.width,
        task,
        vocabulary_size=vocabulary_size,
        predictions=(slots or 0) if task == "masked_lm" else length,
        num_labels=num_labels,
    )
    return float(_FORWARD_AND_BACKWARD * forward)


def _block_flops(config: ModelConfig, length: int) -> int:
    """Counts one token in one block; it meets every token of its row."""
    if config.family == "lstm":
        # Four gates, each of the token and of the state before it.
        return 4 * 2 * 2 * config.width * config.width
    width, inner = config.width, config.feed_forward_size
    matrices = 3 if config.choices.activation == "geglu" else 2
    projections = 4 * 2 * width * width
    attention = 2 * 2 * width * length
    return projections + attention + matrices * 2 * width * inner


def _head_flops(
    width: int, task: str, *, vocabulary_size: int, predictions: int, num_labels: int
) -> int:
    if task == "classify":
        return 2 * width * num_labels
    transform = 2 * width * width if task == "masked_lm" else 0
    return predictions * (transform + 2 * width * vocabulary_size)
