"""Whether a config has the right keys and types, at every level.

pydantic finds the faults on plain dataclasses; the type hints word them.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Iterator, Mapping
from typing import (
    Any,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from textmill.models.errors import did_you_mean
from textmill.pipeline.config.errors import Violations, one_of
from textmill.pipeline.config.yaml import join

T = TypeVar("T")


def check_types(value: Any, cls: type[T], findings: Violations) -> T | None:
    """Returns the values as an instance of a dataclass, or None where they are not."""
    from pydantic import ValidationError

    adapter = type_adapter(cls)
    try:
        # JSON's strict mode: lists become tuples and nothing else is converted.
        return cast(T, adapter.validate_json(json.dumps(value)))
    except ValidationError as error:
        found = [(_path(e, value), e) for e in map(dict, error.errors())]
        # What a mapping says of itself says more than that it is no text.
        found.sort(key=lambda item: item[1]["type"] != "value_error")
    inner = {parent for path, _ in found for parent in _parents(path)}
    for path, details in found:
        # A union complains of every alternative; what lies deepest says most.
        if path not in inner:
            _add_type_fault(path, details, cls, value, findings)
    return None


def type_adapter(cls: type, *, with_docs: bool = False) -> Any:
    """Returns pydantic's strict view of plain dataclasses: no unknown keys anywhere.

    Args:
        cls: the outermost dataclass.
        with_docs: reads the sentences under the fields too, which takes a while.
    """
    from pydantic import ConfigDict, TypeAdapter

    rules = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=with_docs,
    )
    for reached in set(_dataclasses(cls)):
        reached.__pydantic_config__ = rules
    return TypeAdapter(cls)


def _dataclasses(hint: Any) -> Iterator[Any]:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        yield hint
        for field_hint in get_type_hints(hint).values():
            yield from _dataclasses(field_hint)
    for argument in get_args(hint):
        yield from _dataclasses(argument)


def _path(error: Mapping[str, Any], value: Any) -> str:
    """Returns where an error is: its location without the names of union members."""
    path, location = "", list(error["loc"])
    missing = [location.pop()] if error["type"] == "missing" else []
    for key in location:
        if (isinstance(value, dict) and key in value) or isinstance(key, int):
            path, value = join(path, key), value[key]
    return join(path, missing[0]) if missing else path


def _parents(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition(".")[0]
        yield path


def _add_type_fault(
    path: str, details: Mapping[str, Any], cls: type, value: Any, findings: Violations
) -> None:
    parent, _, key = path.rpartition(".")
    if details["type"] == "value_error":
        findings.faults.setdefault(path, f"expected {details['ctx']['error']}")
    elif details["type"] == "unexpected_keyword_argument":
        members = filter(dataclasses.is_dataclass, _members(_hint(cls, parent)))
        names = [name for member in members for name in get_type_hints(member)]
        hint = did_you_mean(key, names)
        expected = "a known key" if hint else f"one of {', '.join(names)}"
        findings.add(path, expected, key, hint)
    else:
        hint, got = _hint(cls, path), _lookup(value, path)
        choices = [c for c in _choices(hint) if isinstance(c, str)]
        suggestion = did_you_mean(got, choices) if isinstance(got, str) else ""
        findings.add(path, _words(hint), got, suggestion)


def _lookup(value: Any, path: str) -> Any:
    for key in path.split(".") if path else []:
        value = value[int(key)] if isinstance(value, list) else value.get(key)
    return value


def _hint(hint: Any, path: str) -> Any:
    """Returns the type hint at a path below a hint."""
    for key in path.split(".") if path else []:
        lists = [m for m in _members(hint) if get_origin(m) is tuple]
        others = [m for m in _members(hint) if get_origin(m) is not tuple]
        for member in lists if lists and key.isdecimal() else others:
            if dataclasses.is_dataclass(member):
                hint = get_type_hints(member)[key]
            elif get_origin(member) is tuple or _is_mapping(member):
                hint = get_args(member)[-1 if _is_mapping(member) else 0]
    return hint


def _is_mapping(hint: Any) -> bool:
    origin = get_origin(hint)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _members(hint: Any) -> list[Any]:
    if get_origin(hint) in (Union, types.UnionType):
        return [m for m in get_args(hint) if m is not type(None)]
    return [hint]


def _choices(hint: Any) -> list[Any]:
    return [
        choice
        for member in _members(hint)
        if get_origin(member) is Literal
        for choice in get_args(member)
    ]


_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}


def _words(hint: Any) -> str:
    """Says a type hint in words."""
    words = []
    for member in _members(hint):
        if get_origin(member) is Literal:
            words += [repr(choice) for choice in get_args(member)]
        elif get_origin(member) is tuple:
            words.append(f"a list, each item {_words(get_args(member)[0])}")
        else:
            words.append(_WORDS.get(member, "a mapping"))
    return one_of(words)
