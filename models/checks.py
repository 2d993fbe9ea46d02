"""Bounds of the numbers in a config, and the check of the classes that hold them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Annotates a number of a config: ``Annotated[int, Bounds(at_least=1)]``.

    The loader refuses other numbers at their place in the file, the JSON schema has the
    bounds, and ``check_bounds`` holds them for instances made in Python.
    """

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def broken(self, value: float) -> str | None:
        """Returns the bound that a number breaks, in words; None if it breaks none."""
        if self.at_least is not None and not value >= self.at_least:
            return f"of {_plain(self.at_least)} or more"
        if self.above is not None and not value > self.above:
            return f"above {_plain(self.above)}"
        if self.at_most is not None and not value <= self.at_most:
            return f"of {_plain(self.at_most)} or less"
        if self.below is not None and not value < self.below:
            return f"below {_plain(self.below)}"
        return None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Adds the check of the bounds after that of the type."""
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(
            self._check, handler(source)
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        """Adds the bounds."""
        bounds = {
            "minimum": self.at_least,
            "exclusiveMinimum": self.above,
            "maximum": self.at_most,
            "exclusiveMaximum": self.below,
        }
        given = {name: bound for name, bound in bounds.items() if bound is not None}
        return handler(schema) | given

    def _check(self, value: float) -> float:
        if (words := self.broken(value)) is not None:
            raise ValueError(f"a number {words}, got {value}")
        return value


POSITIVE = Bounds(above=0)
"""Any number above 0."""
NOT_NEGATIVE = Bounds(at_least=0)
"""Any number but a negative one."""
SHARE = Bounds(at_least=0, at_most=1)
"""A share of a whole."""
COUNT = Bounds(at_least=1, at_most=10**12)
"""A number of things in a file or a run, of which there is at least one."""


def check_bounds(config: object) -> None:
    """Checks the annotated numbers of a config; None always passes.

    Raises:
        ValueError: a number is outside its bounds.
    """
    for name, bounds in _bounds(type(config)):
        value = getattr(config, name)
        for number in value if isinstance(value, tuple) else (value,):
            if number is not None and (words := bounds.broken(number)) is not None:
                raise ValueError(f"{name} {words}, got {number}")


@functools.cache
def _bounds(cls: type) -> tuple[tuple[str, Bounds], ...]:
    """Returns the annotated fields of a class with their bounds."""
    hints = get_type_hints(cls, include_extras=True)
    return tuple((name, one) for name, hint in hints.items() for one in _in(hint))


def _in(hint: Any) -> Iterator[Bounds]:
    """Yields the bounds in a type hint."""
    for argument in get_args(hint):
        if isinstance(argument, Bounds):
            yield argument
        else:
            yield from _in(argument)


def _plain(number: float) -> str:
    return f"{int(number):,}" if number == int(number) else f"{number:g}"
