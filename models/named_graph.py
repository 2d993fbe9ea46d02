"""A graph whose inputs have names and defaults, as a signature of an export."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import tensorflow as tf


def named_graph(
    function: Callable[..., Mapping[str, tf.Tensor]],
    inputs: Mapping[str, tf.TensorSpec],
    defaults: Mapping[str, Any] = MappingProxyType({}),
) -> Any:
    """Returns a ``tf.function`` of inputs by name.

    An export writes the defaults next to the signature; TensorFlow Serving fills in
    inputs that a request leaves out.

    Args:
        function: takes the inputs by name; returns the outputs by name.
        inputs: shape and type of each.
        defaults: values of some.
    """

    def parameter(name: str, spec: tf.TensorSpec) -> inspect.Parameter:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        if name not in defaults:
            return inspect.Parameter(name, kind)
        value = tf.constant(defaults[name], spec.dtype)
        return inspect.Parameter(name, kind, default=value)

    signature = inspect.Signature([parameter(*item) for item in inputs.items()])

    def call(*args: Any, **named: Any) -> Any:
        return function(**signature.bind(*args, **named).arguments)

    call.__signature__ = signature  # type: ignore[attr-defined]
    specs = [
        tf.TensorSpec(spec.shape, spec.dtype, name=name)
        for name, spec in inputs.items()
    ]
    return tf.function(call, input_signature=specs, autograph=False)
