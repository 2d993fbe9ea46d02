"""Strategies: how a step is spread over the devices of this machine."""

from __future__ import annotations

import keras
import tensorflow as tf


def make_strategy(name: str) -> tf.distribute.Strategy:
    """Returns a strategy: ``auto`` mirrors where there are several accelerators.

    ``mirrored`` takes every accelerator, or every (virtual) CPU device without one.
    """
    accelerators = tf.config.list_logical_devices("GPU")
    devices = accelerators or tf.config.list_logical_devices("CPU")
    mirror = name == "mirrored" or (name == "auto" and len(accelerators) > 1)
    if mirror:
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()


def set_precision(policy: str) -> None:
    """Sets the number format of activations; variables stay float32."""
    keras.config.set_dtype_policy(policy)
