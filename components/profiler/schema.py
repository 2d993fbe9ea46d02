"""Schema: expected columns, values and sizes of a data set, as a file for git.

``textmill data schema`` infers one from a profile, for people to edit; later profiles
are checked against it. Standard library at the top: the command line writes schemas.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textmill.models.errors import ConfigError, did_you_mean

FORMAT = 1
TYPES = ("string", "boolean", "integer", "number", "list", "mapping", "any")
_NUMBERS = ("integer", "number")
_KEYS = ("format", "columns", "extra_columns", "text", "min_documents")
_COLUMN_KEYS = ("type", "min_present", "values", "min", "max")
_TEXT_KEYS = ("min_characters", "max_characters")
_MAX_VALUES = 20
_DOCUMENTS_A_VALUE = 10
_HEADER = """\
Schema of data set {name}, written by `textmill data schema` from a profile. Edit it and
keep it under version control. With `datasets.{name}.profile.schema` naming this file,
every new profile is checked against it: a violation is an anomaly of kind `schema`,
which stops the run if `profile.fail_on` lists that kind.

columns: by name, except id and text
  type         string, boolean, integer, number (integers too), list, mapping or any
  min_present  the smallest share of a split's documents that have it
  values       all allowed values; leave it out to allow any
  min, max     bounds of numbers
extra_columns  allow or forbid columns that are not listed
text           bounds of a document's length in characters
min_documents  the fewest documents of a split
"""


def infer(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a schema that fits a profile's documents, with some tolerance.

    Lengths are rounded outward to 1, 2 or 5 times a power of ten, shares down to a
    hundredth, and half of the documents are required.
    """
    splits = profile["splits"]
    names = sorted({name for split in splits.values() for name in split["columns"]})
    texts = [split["lengths"]["characters"] for split in splits.values()]
    tops = [text["histogram"][-1]["below"] for text in texts]
    longest = None if None in tops else max(tops, default=0) - 1
    return {
        "format": FORMAT,
        "columns": {name: _infer_column(name, splits) for name in names},
        "extra_columns": "forbid",
        "text": {
            "min_characters": min(
                (text["histogram"][0]["from"] for text in texts), default=0
            ),
            **({} if longest is None else {"max_characters": longest}),
        },
        "min_documents": {
            name: -(-split["documents"] // 2) for name, split in splits.items()
        },
    }


def _infer_column(name: str, splits: Mapping[str, Any]) -> dict[str, Any]:
    columns = [split["columns"].get(name) for split in splits.values()]
    present_columns = [column for column in columns if column]
    present = min(column["present"] if column else 0.0 for column in columns)
    types = {kind for column in present_columns for kind in column["types"]}
    if types == set(_NUMBERS):
        types = {"number"}
    rule: dict[str, Any] = {
        "type": types.pop() if len(types) == 1 else "any",
        "min_present": int(present * 100) / 100,
    }
    values = {
        entry["value"]: entry["documents"]
        for column in present_columns
        for entry in column.get("top", ())
    }
    if rule["type"] == "string" and _is_domain(name, present_columns, splits):
        rule["values"] = sorted(values)
    if name == "label" or rule["type"] == "list":
        labels = [split["labels"] for split in splits.values()]
        rule["values"] = sorted(set().union(*labels))
    return rule


def _is_domain(
    name: str, columns: list[Mapping[str, Any]], splits: Mapping[str, Any]
) -> bool:
    """Returns true if a column's values are few and repeat: categories, not names."""
    distinct = [column.get("distinct", _MAX_VALUES + 1) for column in columns]
    documents = sum(split["documents"] for split in splits.values())
    is_small = max(distinct) <= _MAX_VALUES
    return is_small and documents >= _DOCUMENTS_A_VALUE * max(distinct)


def render(schema: Mapping[str, Any], name: str) -> str:
    """Returns a schema as YAML, with comments for its editors."""
    from ruamel.yaml import YAML

    # JSON files sort their keys; people read a type before its values.
    ordered = {key: schema[key] for key in _KEYS if key in schema}
    ordered["columns"] = {
        name: {key: rule[key] for key in _COLUMN_KEYS if key in rule}
        for name, rule in schema["columns"].items()
    }
    stream = io.StringIO()
    YAML().dump(ordered, stream)
    lines = _HEADER.format(name=name).splitlines()
    return "".join(f"# {line}".rstrip() + "\n" for line in lines) + stream.getvalue()


def read_schema(path: Path) -> dict[str, Any]:
    """Reads a schema, YAML or JSON, and checks all its keys and values.

    Raises:
        ConfigError: it is missing or invalid; the message names every mistake.
    """
    try:
        schema = _parse(path)
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such schema; `textmill data schema` writes one"
        ) from None
    if problems := list(_problems(schema)):
        raise ConfigError(f"{path}: not a schema: {'; '.join(problems)}")
    filled = {"columns": {}, "extra_columns": "forbid", "text": {}, "min_documents": {}}
    return filled | schema


def _parse(path: Path) -> Any:
    text = path.read_text(encoding="utf-8-sig")
    try:
        if path.suffix == ".json":
            return json.loads(text)
        from ruamel.yaml import YAML, YAMLError

        try:
            return YAML(typ="safe", pure=True).load(text)
        except YAMLError as error:
            raise ValueError(" ".join(str(error).split())) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: expected YAML or JSON ({error})") from None


def _problems(schema: Any) -> Iterator[str]:
    if not isinstance(schema, dict):
        yield f"expected a mapping with {', '.join(_KEYS)}, got {schema!r:.40}"
        return
    yield from _unknown(schema, _KEYS, "")
    if schema.get("format") != FORMAT:
        yield f"format: expected {FORMAT}, got {schema.get('format')!r}"
    if schema.get("extra_columns", "forbid") not in ("forbid", "allow"):
        yield f"extra_columns: expected forbid or allow, got {schema['extra_columns']}"
    for part, allowed in (("text", _TEXT_KEYS), ("min_documents", None)):
        bounds = schema.get(part, {})
        if not isinstance(bounds, dict):
            yield f"{part}: expected a mapping, got {bounds!r:.40}"
            continue
        yield from _unknown(bounds, allowed, part)
        for key, value in bounds.items():
            if not _is_number(value, int) or value < 0:
                yield f"{part}.{key}: expected a count, got {value!r:.40}"
    columns = schema.get("columns", {})
    if not isinstance(columns, dict):
        yield f"columns: expected a mapping, got {columns!r:.40}"
        return
    for name, rule in columns.items():
        yield from _column_problems(f"columns.{name}", rule)


def _column_problems(where: str, rule: Any) -> Iterator[str]:
    if not isinstance(rule, dict):
        yield f"{where}: expected a mapping, got {rule!r:.40}"
        return
    yield from _unknown(rule, _COLUMN_KEYS, where)
    if rule.get("type", "any") not in TYPES:
        hint = did_you_mean(str(rule["type"]), TYPES)
        yield f"{where}.type: expected {' or '.join(TYPES)}, got {rule['type']!r}{hint}"
    for key in ("min_present", "min", "max"):
        if key in rule and not _is_number(rule[key], (int, float)):
            yield f"{where}.{key}: expected a number, got {rule[key]!r:.40}"
    values = rule.get("values", [])
    scalar = (str, int, float, bool)
    if not isinstance(values, list) or not all(isinstance(v, scalar) for v in values):
        yield f"{where}.values: expected a list of values, got {values!r:.40}"


def _is_number(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _unknown(
    mapping: Mapping[Any, Any], known: tuple[str, ...] | None, where: str
) -> Iterator[str]:
    if known is None:
        return
    for key in mapping:
        if key not in known:
            hint = did_you_mean(str(key), known)
            place = f"{where}: " if where else ""
            yield f"{place}expected one of {', '.join(known)}, got {key!r}{hint}"
