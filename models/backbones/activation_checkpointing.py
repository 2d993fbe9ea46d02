"""Activation checkpointing: recomputes a layer's activations in the backward pass.

Training then holds the activations of one layer at a time, and takes a third longer.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def checkpoint_activations(layer: keras.layers.Layer) -> None:
    """Makes a layer recompute its activations when gradients are taken.

    Restores the layer's seed generators first, so that dropout drops the same
    activations both times; with Keras' own ``RematScope`` it does not.
    """
    call = layer.call

    def checkpointed(
        x: Any, *rest: Any, training: bool | None = None, **options: Any
    ) -> Any:
        if not training:
            return call(x, *rest, training=training, **options)
        states = [v for v in layer.variables if "seed_generator" in v.path]
        seeds = [tf.identity(state.value) for state in states]
        # Gradients flow to arguments alone, not to tensors that the function captures.
        inputs = [i for i, value in enumerate(rest) if _has_gradient(value)]

        def recompute(x: Any, *values: Any) -> Any:
            for state, value in zip(states, seeds, strict=True):
                state.assign(value)
            others = list(rest)
            for i, value in zip(inputs, values, strict=True):
                others[i] = value
            return call(x, *others, training=training, **options)

        return tf.recompute_grad(recompute)(x, *(rest[i] for i in inputs))

    layer.call = checkpointed


def _has_gradient(value: Any) -> bool:
    return tf.is_tensor(value) and value.dtype.is_floating
