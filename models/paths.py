"""FilePath: the type of config fields that hold a path, relative to the user's file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class PathMarker:
    """Marks a text of a config as a path, a glob or a URL.

    The loader makes relative paths absolute; URLs stay as they are.
    """


FilePath = Annotated[str, PathMarker()]
