"""Range checks of config values, for the classes that hold them; None always passes."""

from __future__ import annotations


def check_at_least_one(config: object, *names: str) -> None:
    """Raises ValueError if one of some values is below 1."""
    for name in names:
        value = getattr(config, name)
        if value is not None and value < 1:
            raise ValueError(f"{name} of 1 or more, got {value}")


def check_positive(config: object, *names: str) -> None:
    """Raises ValueError if one of some values is not above 0."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not value > 0:
            raise ValueError(f"{name} above 0, got {value}")


def check_not_negative(config: object, *names: str) -> None:
    """Raises ValueError if one of some values is below 0."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not value >= 0:
            raise ValueError(f"{name} of 0 or more, got {value}")


def check_below_one(config: object, *names: str) -> None:
    """Raises ValueError if one of some values is negative, or 1 or more."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not 0 <= value < 1:
            raise ValueError(f"{name} in [0, 1), got {value}")


def check_share(config: object, *names: str) -> None:
    """Raises ValueError if one of some values is not between 0 and 1."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not 0 < value < 1:
            raise ValueError(f"{name} in (0, 1), got {value}")
