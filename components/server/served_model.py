"""Loads a SavedModel in the process of a worker, and calls its signatures.

The rows of a text signature are answered one by one: padding to the longest text of a
batch, or another number of rows, changes the order in which floats are added, so that
an answer would depend on its batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers the tokenizers' ops)
from google.protobuf.json_format import MessageToDict
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from textmill.components.server.errors import invalid
from textmill.components.server.rest import DEFAULT_SIGNATURE
from textmill.models.export.graph_ops import default_inputs
from textmill.models.export.saved_model import check_ops

Outputs = dict[str, np.ndarray]
_BY_ROW = (DEFAULT_SIGNATURE, "generate", "score", "embed")
"""Signatures of our exports whose outputs have a row for each row of the inputs."""
_LABELS = "labels"


class ServedModel:
    """A loaded SavedModel.

    Args:
        folder: the SavedModel.
        trust: whether it may hold any op, and come from anywhere.

    Raises:
        IntegrityError: its graph holds an op that the exporter does not write.
    """

    def __init__(self, folder: Path, *, trust: bool) -> None:
        if not trust:
            check_ops(folder)
        self._model = tf.saved_model.load(str(folder))
        self.functions = dict(self._model.signatures)
        self.defaults = default_inputs(folder)
        self.labels: list[str] = []
        if _LABELS in self.functions:
            labels = self.functions[_LABELS]()[_LABELS].numpy()
            self.labels = [label.decode() for label in labels]
        self._is_ours = _LABELS in self.functions
        self.specs = {
            name: function.structured_input_signature[1]
            for name, function in self.functions.items()
        }
        self._definitions = _definitions(folder)

    def describe(self) -> dict[str, Any]:
        """Returns the signatures as JSON: inputs, and TensorFlow Serving's metadata."""
        return {
            "inputs": {
                name: {
                    key: {
                        "dtype": spec.dtype.name,
                        "rank": spec.shape.rank,
                        "has_default": key in self.defaults.get(name, {}),
                    }
                    for key, spec in specs.items()
                }
                for name, specs in self.specs.items()
            },
            "signature_def": self._definitions,
            "labels": self.labels,
        }

    def is_by_row(self, signature: str) -> bool:
        """Returns True if rows are answered one by one."""
        return self._is_ours and signature in _BY_ROW

    def call(self, signature: str, columns: Mapping[str, Any]) -> Outputs:
        """Returns the outputs of a signature as arrays.

        Raises:
            RequestError: a value does not fit its input, or the graph refuses it.
        """
        return {
            name: value.numpy()
            for name, value in self.call_tensors(
                signature, self.tensors(signature, columns)
            ).items()
        }

    def call_tensors(
        self, signature: str, tensors: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Returns the outputs of a signature as tensors.

        Raises:
            RequestError: the graph refuses the values.
        """
        try:
            outputs: dict[str, tf.Tensor] = self.functions[signature](**tensors)
        except tf.errors.InvalidArgumentError as error:
            raise invalid(str(error.message)[:500]) from None
        return outputs

    def tensors(
        self, signature: str, columns: Mapping[str, Any]
    ) -> dict[str, tf.Tensor]:
        """Returns values as inputs of a signature, with defaults of those left out.

        Raises:
            RequestError: a value does not fit its input.
        """
        values = self.defaults.get(signature, {}) | dict(columns)
        specs = self.specs[signature]
        return {name: _tensor(name, values[name], specs[name]) for name in values}


def row_of(columns: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Returns one row of columns; values that all rows share stay as they are."""
    return {
        name: values[number : number + 1] if isinstance(values, list) else values
        for name, values in columns.items()
    }


def stack(parts: Sequence[Outputs]) -> Outputs:
    """Joins the outputs of rows; lists are padded at their end to the longest."""
    if len(parts) == 1:
        return parts[0]
    return {name: _stack([part[name] for part in parts]) for name in parts[0]}


def _stack(arrays: Sequence[np.ndarray]) -> np.ndarray:
    shapes = {array.shape for array in arrays}
    if len(shapes) == 1:
        return np.concatenate(arrays)
    longest = np.max([array.shape[1:] for array in arrays], axis=0)
    padding = b"" if arrays[0].dtype == object else 0
    joined = np.full((len(arrays), *longest), padding, arrays[0].dtype)
    for number, array in enumerate(arrays):
        joined[(number, *map(slice, array.shape[1:]))] = array[0]
    return joined


def _tensor(name: str, value: Any, spec: tf.TensorSpec) -> tf.Tensor:
    try:
        if spec.dtype == tf.string:
            value = _to_bytes(value)
        tensor = tf.convert_to_tensor(value, spec.dtype)
    except (TypeError, ValueError) as error:
        reason = str(error)[:200]
        raise invalid(f"{name}: expected {spec.dtype.name}: {reason}") from None
    if not spec.shape.is_compatible_with(tensor.shape):
        raise invalid(
            f"{name}: expected the shape {_shape(spec.shape)}, got "
            f"{_shape(tensor.shape)}"
        )
    return tensor


def _shape(shape: tf.TensorShape) -> str:
    return str(["?" if size is None else size for size in shape])


def _to_bytes(value: Any) -> Any:
    """Returns texts as bytes; ``{"b64": ...}`` holds any bytes.

    Raises:
        ValueError: invalid base64.
    """
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict):
        import base64

        return base64.b64decode(value["b64"], validate=True)
    if isinstance(value, list):
        return [_to_bytes(item) for item in value]
    return value


def _definitions(folder: Path) -> dict[str, Any]:
    """Returns the signatures as TensorFlow Serving prints them."""
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((folder / "saved_model.pb").read_bytes())
    definitions = {}
    for name, definition in saved_model.meta_graphs[0].signature_def.items():
        shown = meta_graph_pb2.SignatureDef()
        shown.CopyFrom(definition)
        shown.ClearField("defaults")
        definitions[name] = MessageToDict(
            shown,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
    return dict(sorted(definitions.items()))
