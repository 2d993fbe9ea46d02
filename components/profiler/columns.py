"""Statistics of a column: presence, types, values and numbers."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from textmill.models.texts import TEXT_FIELDS

MAX_DISTINCT = 1000
"""Largest number of distinct values to count."""
MAX_VALUE_CHARACTERS = 200
"""Longest text that counts as a category."""
NUMBER_EDGES = tuple(
    sign * step * 10.0**power
    for sign, powers in ((-1, range(12, -7, -1)), (1, range(-6, 13)))
    for power in powers
    for step in ((5, 2, 1) if sign < 0 else (1, 2, 5))
)
"""Increasing edges of the bins of numbers; the outer bins are open."""

_TYPES = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "list",
    dict: "mapping",
}
_NUMBERS = ("integer", "number")


@dataclass
class Numbers:
    """Statistics of the numbers in a column."""

    count: int = 0
    total: float = 0
    least: float = float("inf")
    most: float = float("-inf")
    bins: Counter[int] = field(default_factory=Counter)
    """Numbers by bin: bin i holds ``NUMBER_EDGES[i - 1] <= number < edges[i]``."""

    def add(self, numbers: Sequence[float]) -> None:
        """Counts numbers."""
        self.count += len(numbers)
        self.total += sum(numbers)
        self.least = min(self.least, *numbers)
        self.most = max(self.most, *numbers)
        for number, times in Counter(numbers).items():
            self.bins[bisect_right(NUMBER_EDGES, number)] += times

    def merge(self, other: Numbers) -> None:
        """Adds the counts of another."""
        self.count += other.count
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)
        self.bins.update(other.bins)


@dataclass
class Column:
    """Statistics of a column; null counts as missing."""

    types: Counter[str] = field(default_factory=Counter)
    """Documents by the type of their value."""
    values: Counter[Any] | None = field(default_factory=Counter)
    """Documents by value; None if there are too many, too long or nested ones."""
    numbers: Numbers = field(default_factory=Numbers)

    @property
    def present(self) -> int:
        """Number of documents that have a value."""
        return self.types.total()

    def add(self, values: Sequence[Any]) -> None:
        """Counts the values of some documents, without nulls."""
        by_type: dict[str, list[Any]] = {}
        for kind in set(map(type, values)):
            by_type[_TYPES[kind]] = [v for v in values if type(v) is kind]
        for name, some in by_type.items():
            self.types[name] += len(some)
            if name in _NUMBERS:
                self.numbers.add(some)
        if {"list", "mapping"} & by_type.keys():
            self.values = None
        elif self.values is not None:
            self.values.update(map(_category, values))
            self._bound()

    def merge(self, other: Column) -> None:
        """Adds the counts of another."""
        self.types.update(other.types)
        self.numbers.merge(other.numbers)
        if self.values is None or other.values is None:
            self.values = None
        else:
            self.values.update(other.values)
            self._bound()

    def _bound(self) -> None:
        """Drops the values if they are too many or too long to be categories.

        Too many in a part are too many in all, so the order makes no difference.
        """
        values = self.values
        if values is not None and (
            len(values) > MAX_DISTINCT
            or any(len(value) > MAX_VALUE_CHARACTERS for value in values)
        ):
            self.values = None


def _category(value: Any) -> str:
    """Returns a value as text; true and 1 differ."""
    return value if isinstance(value, str) else repr(value)


def add_columns(
    columns: dict[str, Column], documents: Sequence[Mapping[str, Any]]
) -> None:
    """Counts every column of some documents except ``id`` and the texts."""
    names = dict.fromkeys(name for document in documents for name in document)
    for name in names:
        if name in ("id", *TEXT_FIELDS):
            continue
        values = [document.get(name) for document in documents]
        present = [value for value in values if value is not None]
        if present:
            columns.setdefault(name, Column()).add(present)
