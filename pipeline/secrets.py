"""References to secrets: ``${env:NAME}`` is stored, its value is read at use."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from textmill.models.errors import ConfigError

REFERENCE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
_SHORTEST = 3
"""Shorter values occur in any text by chance."""
T = TypeVar("T")


def resolve_secrets(value: T) -> T:
    """Returns a config, or any value in it, with its ``${env:NAME}`` resolved.

    Raises:
        ConfigError: a variable is not set.
    """
    resolved: Any = value
    if isinstance(value, str):
        resolved = REFERENCE.sub(_read_variable, value)
    elif isinstance(value, Mapping):
        resolved = {key: resolve_secrets(child) for key, child in value.items()}
    elif isinstance(value, list | tuple):
        resolved = type(value)(resolve_secrets(child) for child in value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value)]
        changes = {name: resolve_secrets(getattr(value, name)) for name in names}
        resolved = dataclasses.replace(value, **changes)
    return cast(T, resolved)


def secret_values(value: Any) -> dict[str, str]:
    """Returns the reference of every secret of an unresolved config, longest first."""
    names = set(REFERENCE.findall(repr(value)))
    values = {os.environ.get(name, ""): f"${{env:{name}}}" for name in sorted(names)}
    known = [secret for secret in values if len(secret) >= _SHORTEST]
    return {secret: values[secret] for secret in sorted(known, key=len, reverse=True)}


def hide_secrets(text: str, secrets: Mapping[str, str]) -> str:
    """Returns a text with secrets replaced by their references."""
    for secret, reference in secrets.items():
        text = text.replace(secret, reference)
    return text


def _read_variable(reference: re.Match[str]) -> str:
    if (value := os.environ.get(reference[1])) is None:
        raise ConfigError(
            f"{reference[0]}: expected the environment variable {reference[1]}, "
            "which is not set"
        )
    return value
