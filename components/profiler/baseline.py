"""Reads earlier profiles, the baselines of drift."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textmill.components.artifacts import Profile, read_json
from textmill.components.manifest import MANIFEST
from textmill.models.errors import ConfigError

_MEASURED = {"documents", "bytes", "words", "lengths", "labels", "columns"}
FORMAT = 2
"""Format version of ``profile.json``; only equal versions are compared."""


def find_profile(path: Path) -> Path:
    """Returns the path of a ``profile.json``, given the file or its folder.

    Raises:
        ConfigError: it does not exist.
    """
    file = path / Profile.FILE if path.is_dir() else path
    if not file.is_file():
        raise ConfigError(
            f"{path}: expected a {Profile.FILE} or its folder, got neither; a run "
            "writes them to <root>/artifacts/profile.<data set>/"
        )
    return file


def read_profile(path: Path) -> dict[str, Any]:
    """Reads a profile, and verifies its artifact if it is inside one.

    Raises:
        ConfigError: it is not a profile of this format.
        IntegrityError: the artifact was altered.
    """
    file = find_profile(path)
    if (file.parent / MANIFEST).exists():
        Profile(file.parent).verify()
    try:
        value = read_json(file)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: expected JSON ({error})") from None
    version = value.get("format") if isinstance(value, dict) else None
    if version != FORMAT:
        raise ConfigError(
            f"{file}: expected a profile of format {FORMAT}, got {version!r}; "
            "profile the data again with this Textmill"
        )
    splits = value.get("splits")
    if not isinstance(splits, dict) or not all(map(_is_split, splits.values())):
        raise ConfigError(f"{file}: expected the splits of a profile, got others")
    profile: dict[str, Any] = value
    return profile


def _is_split(value: Any) -> bool:
    """Returns True for a mapping with the measurements that are compared."""
    return isinstance(value, dict) and value.keys() >= _MEASURED
