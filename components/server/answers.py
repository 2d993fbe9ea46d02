"""Response bodies of TensorFlow Serving's REST API, from the outputs of a model."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from textmill.components.server.errors import invalid

_SCORES = ("probabilities", "scores")


def to_body(
    form: str, outputs: Mapping[str, np.ndarray], labels: Sequence[str]
) -> bytes:
    """Returns the JSON of an answer in the form of its request.

    Raises:
        RequestError: the model's outputs do not have this form.
    """
    if form == "columns":
        return _json({"outputs": _bare(_lists(outputs))})
    if form == "classify":
        return _json({"results": _classes(outputs, labels)})
    if form == "regress":
        if "number" not in outputs:
            raise invalid("regress: expected a model of task regress, got another one")
        return _json({"results": outputs["number"]})
    return _json({"predictions": _rows(outputs)})


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _rows(outputs: Mapping[str, np.ndarray]) -> list[Any]:
    """Returns an object for each row, or a bare value where there is one output."""
    sizes = {array.shape[:1] for array in outputs.values()}
    if len(sizes) != 1 or () in sizes:
        raise invalid(
            "the outputs of this signature have no row for each row of the inputs; "
            "send it in the columnar format ('inputs')"
        )
    columns = _lists(outputs)
    rows = zip(*columns.values(), strict=True)
    if len(columns) == 1:
        return [value for (value,) in rows]
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _lists(outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Returns outputs by name, sorted; strings are decoded."""
    return {
        name: _strings(outputs[name].tolist(), is_binary=name.endswith("_bytes"))
        if outputs[name].dtype == object
        else outputs[name]
        for name in sorted(outputs)
    }


def _strings(value: Any, *, is_binary: bool) -> Any:
    if isinstance(value, list):
        return [_strings(item, is_binary=is_binary) for item in value]
    if is_binary:
        return {"b64": base64.b64encode(value).decode()}
    return value.decode(errors="replace")


def _bare(values: dict[str, Any]) -> Any:
    return next(iter(values.values())) if len(values) == 1 else values


def _classes(
    outputs: Mapping[str, np.ndarray], labels: Sequence[str]
) -> list[list[list[Any]]]:
    """Returns label and score of every label for each row."""
    for name in _SCORES:
        if name in outputs and outputs[name].shape[1:] == (len(labels),):
            return [
                [[label, score] for label, score in zip(labels, row, strict=True)]
                for row in outputs[name]
            ]
    raise invalid(
        "classify: expected a model of task classify or multilabel, got another one"
    )
