"""Plug-in tables of tasks, metrics, methods, readers, filters and formats.

A table maps a name to a row, and a row names the module that does the work. Textmill's
own rows are in the table's file. An installed distribution adds rows by entry points in
its own ``pyproject.toml``, and changes nothing else::

    [project.entry-points."textmill.tasks"]
    toy = "my_project.toy:ROW"

``ROW`` is an object of the table's row class. Every process that can import the
distribution sees the row: worker processes, Beam's, containers. A row is imported only
when it is looked up by name. Keep it in a light module: checking a config that names it
imports that module.

A step's cache key covers the source of all rows plugged into the tables that its code
reads: installing or editing a plug-in runs those steps again.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from textmill.models.errors import ConfigError, did_you_mean

Row = TypeVar("Row")


class Table(Generic[Row]):
    """Rows by name: Textmill's own in their order, then plugged-in ones by name.

    Attributes:
        group: the entry points that add rows: ``textmill.tasks``.
        noun: the noun for a row in messages: ``task``.
    """

    def __init__(self, group: str, noun: str, rows: Mapping[str, Row]) -> None:
        self.group, self.noun = group, noun
        self._rows = dict(rows)

    def __iter__(self) -> Iterator[str]:
        plugged = entry_points(self.group)
        yield from self._rows
        yield from sorted(set(plugged) - set(self._rows))

    def __contains__(self, name: object) -> bool:
        return name in self._rows or name in entry_points(self.group)

    def __getitem__(self, name: str) -> Row:
        """Returns a row.

        Raises:
            ConfigError: no row has this name.
        """
        if name in self._rows:
            return self._rows[name]
        if (value := entry_points(self.group).get(name)) is None:
            raise ConfigError(f"expected {self.mismatch(name)}")
        row: Row = load_object(value)
        return row

    def items(self) -> Iterator[tuple[str, Row]]:
        """Yields names and rows; imports the plugged-in ones."""
        for name in self:
            yield name, self[name]

    def mismatch(self, name: str) -> str:
        """Returns ``a task (a, b), got 'x'; did you mean 'a'?`` for messages."""
        names = list(self)
        hint = did_you_mean(name, names)
        return f"a {self.noun} ({', '.join(names)}), got {name!r}{hint}"


def load_object(path: str) -> Any:
    """Imports ``package.module:Name``."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def entry_points(group: str) -> Mapping[str, str]:
    """Returns the installed entry points of a group: ``module:object`` by name."""
    return _entry_points(group, tuple(sys.path))


@functools.cache
def _entry_points(group: str, path: tuple[str, ...]) -> Mapping[str, str]:
    points = importlib.metadata.entry_points(group=group)
    return {point.name: point.value for point in points}


@dataclass(frozen=True)
class NameIn:
    """Annotates a config field as the name of a row: ``Annotated[str, NameIn(TASKS)]``.

    The loader refuses other names, and the JSON schema lists the known ones.
    """

    table: Table[Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Adds the check of the name after that of the type."""
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(
            self._check, handler(source)
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        """Adds the known names."""
        return handler(schema) | {"enum": list(self.table)}

    def _check(self, name: str) -> str:
        if name not in self.table:
            raise ValueError(self.table.mismatch(name))
        return name
