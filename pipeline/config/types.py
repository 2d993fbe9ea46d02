"""Keys and types of a config at every level, its paths, and the checks of its classes.

pydantic finds the mistakes on plain dataclasses; the type hints word the messages. A
class whose keys depend on one of its values has a classmethod ``variant``, from values
to the subclass with these keys, and takes its schema from ``variant_schema``.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import (
    Any,
    ClassVar,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from textmill.models.errors import did_you_mean, one_of
from textmill.models.paths import PathMarker
from textmill.pipeline.config.errors import Violations
from textmill.pipeline.config.synonyms import key_hint, value_hint
from textmill.pipeline.config.yaml import join

T = TypeVar("T")


def check_types(value: Any, cls: type[T], violations: Violations) -> T | None:
    """Returns an instance of a dataclass, or None if the values have mistakes."""
    from pydantic import ValidationError

    adapter = type_adapter(cls)
    try:
        # JSON's strict mode: lists become tuples and nothing else is converted.
        return cast(T, adapter.validate_json(json.dumps(value)))
    except ValidationError as error:
        errors = [(_path(e, value), e) for e in map(dict, error.errors())]
        # A rule that a mapping breaks tells more than that it is not a text.
        errors.sort(key=lambda item: item[1]["type"] != "value_error")
    inner = {parent for path, _ in errors for parent in _parents(path)}
    for path, details in errors:
        # A union reports every alternative; the deepest error tells most.
        if path not in inner:
            _add_type_violation(path, details, cls, value, violations)
    return None


def type_adapter(cls: type, *, with_docs: bool = False) -> Any:
    """Returns pydantic's strict view of plain dataclasses: no unknown keys anywhere.

    Args:
        cls: the outermost dataclass.
        with_docs: also reads the docstrings of fields, which is slow.
    """
    from pydantic import ConfigDict, TypeAdapter

    rules = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=with_docs,
    )
    for reached in set(dataclasses_in(cls)):
        reached.__pydantic_config__ = rules
    return TypeAdapter(cls)


def variant_schema(cls: type, handler: Callable[[type], Any]) -> Any:
    """Returns pydantic's schema of a class with variants: values choose among them."""
    from pydantic_core import core_schema

    def validate(values: Any, default: Callable[[Any], Any]) -> Any:
        if not isinstance(values, dict):
            return default(values)
        return type_adapter(_concrete(cls, values)).validate_json(json.dumps(values))

    return core_schema.no_info_wrap_validator_function(validate, handler(cls))


def _concrete(cls: Any, values: Any) -> Any:
    is_choice = isinstance(values, dict) and hasattr(cls, "variant")
    return cls.variant(values) if is_choice else cls


def part_of(config: Any, cls: type[T]) -> T:
    """Returns the part of a config that one of its base classes declares."""
    names = [f.name for f in dataclasses.fields(cast(Any, cls))]
    return cls(**{name: getattr(config, name) for name in names})


def dataclasses_in(hint: Any) -> Iterator[Any]:
    """Yields the dataclasses that a type hint leads to, at any depth."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        yield hint
        for field_hint in get_type_hints(hint).values():
            yield from dataclasses_in(field_hint)
    for argument in get_args(hint):
        yield from dataclasses_in(argument)


def run_checks(value: Any, hint: Any, violations: Violations, path: str = "") -> None:
    """Runs the ``check`` of every config class on the values as written."""
    if isinstance(value, dict):
        for cls in filter(dataclasses.is_dataclass, _members(hint, value)):
            if hasattr(cls, "check") and violations.is_readable(path):
                for violation in cls.check(value):
                    place = join(path, violation.path) if violation.path else path
                    violations.add(place, *violation[1:])
    for key, child, child_hint in _children(value, _members(hint, value)):
        run_checks(child, child_hint, violations, join(path, key))


def map_paths(
    value: Any, hint: Any, change: Callable[[str, str], str], path: str = ""
) -> Any:
    """Returns a value with ``change(config path, text)`` applied to its file paths."""
    members = _members(hint, value)
    if isinstance(value, str):
        is_path = any(isinstance(m, PathMarker) for h in members for m in get_args(h))
        return change(path, value) if is_path else value
    children = {
        key: map_paths(child, child_hint, change, join(path, key))
        for key, child, child_hint in _children(value, members)
    }
    if isinstance(value, dict):
        return value | children
    return list(children.values()) if isinstance(value, list) else value


def _children(value: Any, members: list[Any]) -> Iterator[tuple[Any, Any, Any]]:
    """Yields (key, value, type hint) of the items of a mapping or list."""
    if isinstance(value, dict):
        for member in members:
            if dataclasses.is_dataclass(member):
                hints = get_type_hints(member, include_extras=True)
                yield from ((k, value[k], hints[k]) for k in value if k in hints)
            elif _is_mapping(member):
                yield from (
                    (k, child, get_args(member)[1]) for k, child in value.items()
                )
    elif isinstance(value, list):
        item_hints = [get_args(m)[0] for m in members if get_origin(m) is tuple]
        for index, item in enumerate(value):
            yield index, item, item_hints[0] if item_hints else Any


def _path(error: Mapping[str, Any], value: Any) -> str:
    """Returns the path of an error: its location without the names of union members."""
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


def _add_type_violation(
    path: str, details: Mapping[str, Any], cls: type, value: Any, violations: Violations
) -> None:
    parent, _, key = path.rpartition(".")
    if details["type"] == "value_error":
        sentence = f"expected {details['ctx']['error']}"
        if "did you mean" not in sentence:
            got = _descend(cls, value, path)[1]
            sentence += value_hint(got, re.findall(r"[\w-]+", sentence))
        violations.add_sentence(path, sentence)
    elif details["type"] == "unexpected_keyword_argument":
        members = list(
            filter(dataclasses.is_dataclass, _members(*_descend(cls, value, parent)))
        )
        names = [f.name for member in members for f in dataclasses.fields(member)]
        hint = (
            _renamed(key, members)
            or key_hint(path, names)
            or _other_section(cls, path)
            or did_you_mean(key, names)
        )
        expected = "a known key" if hint else f"one of {', '.join(names)}"
        violations.add(path, expected, key, hint)
    else:
        hint, got = _descend(cls, value, path)
        choices = [c for c in _choices(hint) if isinstance(c, str)]
        suggestion = value_hint(got, choices)
        if isinstance(got, str) and not suggestion:
            suggestion = did_you_mean(got, choices)
        violations.add(path, _words(hint), got, suggestion)


def _renamed(key: str, members: Iterable[Any]) -> str:
    """Returns the hint for a former key, from the ``RENAMED`` of config classes."""
    for cls in (base for member in members for base in member.__mro__):
        if (name := vars(cls).get("RENAMED", {}).get(key)) is not None:
            return f"; did you mean {name!r}?"
    return ""


def _other_section(cls: Any, path: str) -> str:
    """Returns the hint for a key that another section has, preferably one below."""
    parent, _, key = path.rpartition(".")
    if key == "name":
        return ""  # too common a word
    paths = [known for known in _key_paths(cls) if known.rpartition(".")[2] == key]
    below = [known for known in paths if _is_below(known, parent)]
    depths = {known: known.count(".") for known in below or paths}
    nearest = [known for known in depths if depths[known] == min(depths.values())]
    if len(nearest) != 1:
        return ""
    if nearest == [key]:
        return f"; {key} is a key at the top of the file"
    return f"; did you mean {nearest[0]}?"


def _is_below(pattern: str, path: str) -> bool:
    """Returns True if a path pattern with NAMEs lies below a path of a file."""
    keys = path.split(".") if path else []
    pairs = zip(pattern.split("."), keys, strict=False)
    return all(wanted in ("NAME", key) for wanted, key in pairs)


@functools.cache
def _key_paths(cls: Any) -> tuple[str, ...]:
    """Returns the path of every key of a config, with NAME for the names of a file."""
    return tuple(_paths_below(cls, ""))


def _paths_below(hint: Any, path: str) -> Iterator[str]:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        for name, field_hint in get_type_hints(hint).items():
            if get_origin(field_hint) is not ClassVar:
                yield join(path, name)
                yield from _paths_below(field_hint, join(path, name))
    elif _is_mapping(hint):
        yield from _paths_below(get_args(hint)[1], join(path, "NAME"))
    else:
        for member in get_args(hint):
            yield from _paths_below(member, path)


def _descend(hint: Any, value: Any, path: str) -> tuple[Any, Any]:
    """Returns the type hint and the value at a path below a hint and its value."""
    for key in path.split(".") if path else []:
        members = _members(hint, value)
        lists = [m for m in members if get_origin(m) is tuple]
        others = [m for m in members if get_origin(m) is not tuple]
        for member in lists if lists and key.isdecimal() else others:
            if dataclasses.is_dataclass(member):
                hint = get_type_hints(member)[key]
            elif get_origin(member) is tuple or _is_mapping(member):
                hint = get_args(member)[-1 if _is_mapping(member) else 0]
        value = value[int(key)] if isinstance(value, list) else value.get(key)
    return hint, value


def _is_mapping(hint: Any) -> bool:
    origin = get_origin(hint)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _members(hint: Any, value: Any = None) -> list[Any]:
    """Returns the types of a hint; of a class with variants, the one of a value."""
    members = [hint]
    if get_origin(hint) in (Union, types.UnionType):
        members = [m for m in get_args(hint) if m is not type(None)]
    return [_concrete(member, value) for member in members]


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
    """Returns a type hint in words."""
    words = []
    for member in _members(hint):
        if get_origin(member) is Literal:
            words += [repr(choice) for choice in get_args(member)]
        elif get_origin(member) is tuple:
            words.append(f"a list, each item {_words(get_args(member)[0])}")
        else:
            words.append(_WORDS.get(member, "a mapping"))
    return one_of(words)
