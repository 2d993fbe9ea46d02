"""Parameters of tests, of which the default run has some and ``-m slow`` the others."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import pytest


def slow_except(values: Iterable[Any], quick: Container[Any]) -> list[Any]:
    """Returns parameters; those that are not quick have the marker ``slow``.

    Args:
        values: values of one parameter, or a tuple of values for several.
        quick: those of the default run.
    """
    return [
        value
        if value in quick
        else pytest.param(
            *(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.slow
        )
        for value in values
    ]
