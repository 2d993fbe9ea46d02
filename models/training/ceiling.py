"""Measures the peak rate of floating point operations of this machine."""

from __future__ import annotations

import time
from functools import cache

import keras
import tensorflow as tf

_SIZES = {"CPU": 2048, "GPU": 8192}


def measure_ceiling(policy: keras.DTypePolicy) -> float:
    """Returns the operations per second of the best of five matrix products.

    On one device, in the compute dtype of a policy; measured once a process.
    """
    return _measure(policy.compute_dtype)


@cache
def _measure(dtype: str) -> float:
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    size = _SIZES[kind]
    with tf.device(f"{kind}:0"):
        left = tf.ones([size, size], dtype)
        multiply = tf.function(lambda x: tf.reduce_sum(tf.matmul(x, left)))
        multiply(left).numpy()
        best = min(_seconds(multiply, left) for _ in range(5))
    return 2 * size**3 / best


def _seconds(multiply: tf.types.experimental.GenericFunction, x: tf.Tensor) -> float:
    began = time.perf_counter()
    multiply(x).numpy()
    return time.perf_counter() - began
