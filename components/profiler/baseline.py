"""Earlier profiles: where they are, and whether they can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textmill.components.artifacts import Profile, read_json
from textmill.components.manifest import MANIFEST
from textmill.models.errors import ConfigError

FORMAT = 2
"""Of ``profile.json``; profiles of another format are not compared."""


def find_profile(path: Path) -> Path:
    """Returns the ``profile.json`` that a path means: itself, or the folder's.

    Raises:
        ConfigError: there is none.
    """
    file = path / Profile.FILE if path.is_dir() else path
    if not file.is_file():
        raise ConfigError(
            f"{path}: expected a {Profile.FILE} or the folder that holds one, found "
            "none; a run keeps them below <root>/artifacts/profile.<data set>/"
        )
    return file


def read_profile(path: Path) -> dict[str, Any]:
    """Reads a profile; where it lies in its artifact's folder, that is verified.

    Raises:
        ConfigError: it is not a profile of this format.
        IntegrityError: the artifact was altered.
    """
    file = find_profile(path)
    if (file.parent / MANIFEST).exists():
        Profile(file.parent).verify()
    try:
        value = read_json(file)
    except ValueError as error:
        raise ConfigError(f"{file}: expected JSON ({error})") from None
    found = value.get("format") if isinstance(value, dict) else None
    if found != FORMAT:
        raise ConfigError(
            f"{file}: expected a profile of format {FORMAT}, found {found!r}; "
            "profile the data again with this Textmill"
        )
    profile: dict[str, Any] = value
    return profile
