"""The config reference: Markdown from the schema that ``config schema`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from textmill.pipeline.config.schema import config_schema

Schema = dict[str, Any]
ANY_NAME = "NAME"
"""Stands for the name that a user gives to a data set, a stage, a source or a node."""


def render() -> str:
    """Returns one section per mapping of a file, with every key."""
    schema = config_schema()
    sections = list(_sections(schema))
    paths = {name: path for path, name in reversed(sections)}
    definitions = schema["$defs"] | {"": schema}
    return "\n\n".join(
        _section(path, definitions[name], paths) for path, name in sections
    )


def _sections(schema: Schema) -> list[tuple[str, str]]:
    """Returns the config path and the class of every mapping, depth first."""
    sections = [("", "")]
    seen: set[str] = set()

    def walk(path: str, definition: Schema) -> None:
        for key, value in definition["properties"].items():
            for suffix, name in _references(value):
                if name not in seen:
                    seen.add(name)
                    inner = f"{path}.{key}{suffix}".lstrip(".")
                    sections.append((inner, name))
                    walk(inner, schema["$defs"][name])

    walk("", schema)
    return sections


def _references(value: Schema) -> Iterator[tuple[str, str]]:
    """Yields the classes that a value may hold, and the path that leads to each."""
    if "$ref" in value:
        yield "", value["$ref"].rpartition("/")[2]
    for option in value.get("anyOf", ()):
        yield from _references(option)
    inner = value.get("additionalProperties")
    if isinstance(inner, dict):
        for suffix, name in _references(inner):
            yield f".{ANY_NAME}{suffix}", name


def _section(path: str, definition: Schema, paths: dict[str, str]) -> str:
    title = f"`{path}`" if path else "The file"
    target = _slug(path) or "file"
    required = set(definition.get("required", ()))
    keys = "\n\n".join(
        _key(path, key, value, paths, is_required=key in required)
        for key, value in definition["properties"].items()
    )
    return f"(config-{target})=\n## {title}\n\n{definition['description']}\n\n{keys}"


def _key(
    path: str, key: str, value: Schema, paths: dict[str, str], *, is_required: bool
) -> str:
    anchor = _slug(f"{path}.{key}".lstrip("."))
    facts = [_type(value, paths)]
    facts += _bounds(value)
    default = _default(value)
    if is_required:
        facts.append("required")
    elif default is not None:
        facts.append(f"default {default}")
    facts_line = ", ".join(facts)
    target = f"[`{key}`]{{#key-{anchor}}}"
    return f"{target}\n: {facts_line}\n\n  {value['description']}"


def _slug(path: str) -> str:
    return path.replace(".", "-").replace("_", "-").lower()


def _bounds(value: Schema) -> list[str]:
    """Returns the range of a number, as the schema states it."""
    names = {
        "minimum": "at least",
        "maximum": "at most",
        "exclusiveMinimum": "above",
        "exclusiveMaximum": "below",
    }
    options = [value, *value.get("anyOf", ())]
    return [
        f"{word} {option[name]}"
        for option in options
        for name, word in names.items()
        if name in option
    ]


def _default(value: Schema) -> str | None:
    default = value.get("default")
    if default is None or default == [] or default == {}:
        return None
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, list):
        return " ".join(f"`{item}`" for item in default)
    return f"`{default}`"


def _type(value: Schema, paths: dict[str, str]) -> str:
    """Returns the type of a value in words, with links to the sections of mappings."""
    if "anyOf" in value:
        options = [o for o in value["anyOf"] if o.get("type") != "null"]
        options.sort(key=lambda option: option.get("type") == "object")
        return " or ".join(dict.fromkeys(_type(option, paths) for option in options))
    if "$ref" in value:
        path = paths[value["$ref"].rpartition("/")[2]]
        return f"see [`{path}`](#config-{_slug(path)})"
    if "enum" in value:
        return " | ".join(f"`{item}`" for item in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    if value.get("type") == "array":
        return _array(value, paths)
    if value.get("type") == "object":
        inner = value.get("additionalProperties")
        if isinstance(inner, dict) and inner:
            return f"mapping from names to {_inner(inner, paths)}"
        return "mapping"
    names = {"string": "text", "boolean": "true or false", "number": "number"}
    names["integer"] = "whole number"
    return names.get(value.get("type", ""), "any value")


def _array(value: Schema, paths: dict[str, str]) -> str:
    items = value.get("items")
    if isinstance(items, dict) and items:
        return f"list of {_inner(items, paths)}"
    return "list"


def _inner(value: Schema, paths: dict[str, str]) -> str:
    text = _type(value, paths)
    return f"({text})" if " or " in text else text.removeprefix("see ")
