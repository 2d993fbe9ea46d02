"""Checks documents against a schema: one sentence per violation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from textmill.components.profiler.columns import Column
from textmill.components.profiler.statistics import Statistics

_NUM_NAMED = 3


def check_split(
    split: str, statistics: Statistics, schema: Mapping[str, Any]
) -> Iterator[str]:
    """Yields the violations of a schema (``read_schema``) in a split."""
    fewest = schema["min_documents"].get(split, 0)
    if statistics.num_documents < fewest:
        yield (
            f"{statistics.num_documents:,} documents, "
            f"the schema expects {fewest:,} or more"
        )
    yield from _check_text(statistics, schema["text"])
    for name, rule in schema["columns"].items():
        column = statistics.columns.get(name)
        if column is None:
            if rule.get("min_present", 0) > 0:
                yield f"column {name!r} is missing"
            continue
        share = column.present / statistics.num_documents
        if share < rule.get("min_present", 0):
            yield (
                f"column {name!r} is in {share:.1%} of the documents, "
                f"the schema expects {rule['min_present']:.1%} or more"
            )
        has_labels = name == "label" or "list" in column.types
        values = statistics.labels if has_labels else column.values
        yield from _check_column(name, column, values, rule)
    if schema["extra_columns"] == "forbid":
        for name in sorted(set(statistics.columns) - set(schema["columns"])):
            yield f"column {name!r} is not in the schema"


def _check_text(statistics: Statistics, rule: Mapping[str, int]) -> Iterator[str]:
    longest = statistics.characters.percentile(100)
    low = rule.get("min_characters", 0)
    high = rule.get("max_characters", longest)
    shorter, longer = statistics.characters.outside(low, high)
    if shorter:
        yield f"{shorter:,} documents are shorter than {low:,} characters"
    if longer:
        yield f"{longer:,} documents are longer than {high:,} characters"


def _check_column(
    name: str,
    column: Column,
    values: Counter[Any] | None,
    rule: Mapping[str, Any],
) -> Iterator[str]:
    expected = rule.get("type", "any")
    allowed = {expected} | ({"integer"} if expected == "number" else set())
    others = {kind: n for kind, n in column.types.items() if kind not in allowed}
    if expected != "any" and others:
        types = " and ".join(f"{n:,} {kind}" for kind, n in sorted(others.items()))
        yield f"column {name!r} is {expected} in the schema, got {types}"
    yield from _check_values(name, values, rule.get("values"))
    numbers = column.numbers
    if numbers.count and numbers.least < rule.get("min", numbers.least):
        yield f"column {name!r} goes down to {numbers.least:g}, below {rule['min']:g}"
    if numbers.count and numbers.most > rule.get("max", numbers.most):
        yield f"column {name!r} goes up to {numbers.most:g}, above {rule['max']:g}"


def _check_values(
    name: str, values: Counter[Any] | None, allowed: list[Any] | None
) -> Iterator[str]:
    if allowed is None:
        return
    if values is None:
        yield f"column {name!r} has too many values to check against the schema"
        return
    known = {value if isinstance(value, str) else repr(value) for value in allowed}
    new = sorted((v for v in values if v not in known), key=lambda v: (-values[v], v))
    if new:
        named = ", ".join(f"{value!r}" for value in new[:_NUM_NAMED])
        more = f" and {len(new) - _NUM_NAMED} more" if len(new) > _NUM_NAMED else ""
        documents = sum(values[value] for value in new)
        what = "label" if name == "label" else f"value of column {name!r}"
        yield f"new {what} {named}{more} in {documents:,} documents"
