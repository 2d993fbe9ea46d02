"""Request bodies of TensorFlow Serving's REST API, as columns of values.

Row format (``instances``) and columnar format (``inputs``) of ``:predict``, and the
``examples`` of ``:classify`` and ``:regress``; see
https://www.tensorflow.org/tfx/serving/api_rest. Bytes stay ``{"b64": ...}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from textmill.components.server.errors import invalid
from textmill.models.texts import TEXT_FIELDS

Form = Literal["rows", "columns", "classify", "regress"]
DEFAULT_SIGNATURE = "serving_default"
_BASE64 = "b64"


@dataclass(frozen=True)
class InputSpec:
    """An input of a signature."""

    dtype: str
    """Name of TensorFlow's type, such as ``string``."""
    rank: int | None
    """Number of dimensions; None is any."""
    has_default: bool = False
    """A request may leave it out."""


Inputs = Mapping[str, InputSpec]
Signatures = Mapping[str, Inputs]


@dataclass(frozen=True)
class Call:
    """A request for a model."""

    signature: str
    form: Form
    """How the answer is written."""
    columns: dict[str, Any]
    """Values of each input."""
    num_rows: int

    def texts(self) -> list[list[str]]:
        """Returns the texts of each row, without those given as bytes."""
        names = [name for name in TEXT_FIELDS if name in self.columns]
        columns = [
            c if isinstance(c := self.columns[name], list) else [c] for name in names
        ]
        rows = zip(*columns, strict=False)
        return [[text for text in row if isinstance(text, str)] for row in rows]


def parse_predict(body: bytes, signatures: Signatures) -> Call:
    """Reads the body of ``:predict``.

    Raises:
        RequestError: it is not JSON of one of the two formats, or does not fit the
            signature.
    """
    request = _object(body)
    name, inputs = _signature(request, signatures)
    if ("instances" in request) == ("inputs" in request):
        got = "both" if "inputs" in request else "neither"
        raise invalid(f"predict: expected either 'instances' or 'inputs', got {got}")
    if "instances" in request:
        columns, num_rows = _rows(request["instances"], inputs)
        return Call(name, "rows", columns, num_rows)
    columns = _columns(request["inputs"], inputs)
    sizes = [len(value) for value in columns.values() if isinstance(value, list)]
    return Call(name, "columns", columns, max(sizes, default=1))


def parse_examples(
    body: bytes, signatures: Signatures, form: Literal["classify", "regress"]
) -> Call:
    """Reads the body of ``:classify`` or ``:regress``.

    A feature is a value or a list of one; ``context`` has the features that all
    examples share.

    Raises:
        RequestError: it is not JSON of this format, or does not fit the signature.
    """
    request = _object(body)
    name, inputs = _signature(request, signatures)
    examples, context = request.get("examples"), request.get("context", {})
    if not isinstance(examples, list) or not examples:
        raise invalid(f"{form}: expected a list 'examples' with an example or more")
    rows = []
    for number, example in enumerate(examples):
        if not isinstance(example, dict) or not isinstance(context, dict):
            raise invalid(f"examples[{number}]: expected an object of features")
        rows.append({k: _feature(v) for k, v in {**context, **example}.items()})
    columns, num_rows = _rows(rows, inputs, where="examples")
    return Call(name, form, columns, num_rows)


def _object(body: bytes) -> dict[str, Any]:
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error}") from None
    if not isinstance(request, dict):
        raise invalid("expected a JSON object as the body of the request")
    return request


def _signature(
    request: Mapping[str, Any], signatures: Signatures
) -> tuple[str, Inputs]:
    name = request.get("signature_name", DEFAULT_SIGNATURE) or DEFAULT_SIGNATURE
    if not isinstance(name, str) or name not in signatures:
        known = ", ".join(sorted(signatures))
        raise invalid(
            f"Serving signature name: {str(name)[:100]!r} not found in signature def; "
            f"the model has {known}"
        )
    return name, signatures[name]


def _rows(
    instances: Any, inputs: Inputs, *, where: str = "instances"
) -> tuple[dict[str, Any], int]:
    """Returns the columns of rows, and their number."""
    if not isinstance(instances, list):
        raise invalid(f"Expecting '{where}' value to be a list/array")
    if not instances:
        raise invalid(f"'{where}': expected a row or more, got an empty list")
    if len(inputs) == 1 and not _is_named(instances[0]):
        [name] = inputs
        columns = {name: instances}
    else:
        columns = _named_columns(instances, inputs, where)
    _check_names(columns, inputs)
    for name, values in columns.items():
        spec = inputs[name]
        if spec.rank == 0:
            raise invalid(
                f"{name}: expected one value for all rows, got one for each; send it "
                "in the columnar format ('inputs')"
            )
        if spec.dtype == "string" and spec.rank == 1:
            _check_texts(values, lambda number, name=name: f"{where}[{number}].{name}")
    return columns, len(instances)


def _named_columns(
    instances: Sequence[Any], inputs: Inputs, where: str
) -> dict[str, Any]:
    """Returns the columns of objects that all have the same names."""
    first = instances[0]
    names = first.keys() if isinstance(first, dict) else ()
    for number, instance in enumerate(instances):
        if not isinstance(instance, dict) or instance.keys() != names or not names:
            raise invalid(
                f"{where}[{number}]: expected an object with {', '.join(inputs)}, with "
                "the same names in every row"
            )
    return {name: [instance[name] for instance in instances] for name in names}


def _columns(value: Any, inputs: Inputs) -> dict[str, Any]:
    """Returns the columns of the columnar format."""
    if not _is_named(value):
        if len(inputs) != 1:
            raise invalid(f"'inputs': expected an object with {', '.join(inputs)}")
        [name] = inputs
        value = {name: value}
    _check_names(value, inputs)
    for name, values in value.items():
        if inputs[name].dtype == "string" and inputs[name].rank == 1:
            if not isinstance(values, list):
                raise invalid(f"inputs.{name}: expected a list of texts")
            _check_texts(values, lambda number, name=name: f"inputs.{name}[{number}]")
    return dict(value)


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() != {_BASE64}


def _check_names(names: Mapping[str, Any], inputs: Inputs) -> None:
    if unknown := [name for name in names if name not in inputs]:
        raise invalid(
            f"expected inputs among {', '.join(inputs) or 'none'}, got "
            f"{unknown[0][:100]!r}"
        )
    for name, spec in inputs.items():
        if name not in names and not spec.has_default:
            raise invalid(f"Missing named tensor '{name}' in request")


def _check_texts(values: Sequence[Any], where: Any) -> None:
    for number, value in enumerate(values):
        if isinstance(value, str):
            continue
        if not (isinstance(value, dict) and isinstance(value.get(_BASE64), str)):
            kind = type(value).__name__
            raise invalid(
                f'{where(number)}: expected a text or {{"b64": ...}}, got {kind}'
            )


def _feature(value: Any) -> Any:
    """Returns the value of a feature: a list of one is that one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value
