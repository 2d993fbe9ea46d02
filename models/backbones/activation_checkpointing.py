"""Activation checkpointing: a layer keeps its input alone and computes the rest again.

Training then needs the memory of one layer's activations, for a third more time.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def checkpoint_activations(layer: keras.layers.Layer) -> None:
    """Makes a layer recompute its activations when gradients are taken.

    Seed generators inside it go back to where they were, so that dropout drops the same
    activations again; with Keras' own ``RematScope`` it drops others.
    """
    call = layer.call

    def called(x: Any, *rest: Any, training: bool | None = None, **more: Any) -> Any:
        if not training:
            return call(x, *rest, training=training, **more)
        states = [v for v in layer.variables if "seed_generator" in v.path]
        before = [tf.identity(state.value) for state in states]

        def again(x: Any) -> Any:
            for state, value in zip(states, before, strict=True):
                state.assign(value)
            return call(x, *rest, training=training, **more)

        return tf.recompute_grad(again)(x)

    layer.call = called
