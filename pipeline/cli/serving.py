"""Which model ``predict`` asks, and about which texts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from models.faults import ConfigError, did_you_mean

SAVED_MODEL = "saved_model.pb"


def find_model(target: str, root: Path) -> Path:
    """Returns a SavedModel's folder: the one named, or a stage's newest version.

    Raises:
        ConfigError: there is none.
    """
    if (Path(target) / SAVED_MODEL).is_file():
        return Path(target)
    pushed = root / "pushed"
    for folder in (pushed / target, Path(target)):
        if newest := newest_version(folder):
            return newest
    stages = sorted(f.name for f in pushed.glob("*") if newest_version(f))
    known = f"a pushed stage ({', '.join(stages)})" if stages else "a pushed stage"
    hint = did_you_mean(target, stages) or (
        "" if stages else f"; nothing was pushed below {root}: run a pipeline first"
    )
    raise ConfigError(
        f"predict: expected {known} or the folder of a SavedModel, got {target!r}{hint}"
    )


def newest_version(folder: Path) -> Path | None:
    """Returns the folder of the highest version that holds a SavedModel."""
    versions = [
        version
        for version in folder.glob("*")
        if version.name.isdecimal() and (version / SAVED_MODEL).is_file()
    ]
    return max(versions, key=lambda version: int(version.name), default=None)


def read_texts(arguments: Sequence[str] | None) -> list[str]:
    """Returns the texts of the command line, or else the lines of stdin.

    Bytes that are not UTF-8 become U+FFFD.
    """
    if arguments:
        raw = [argument.encode(errors="surrogateescape") for argument in arguments]
    else:
        if sys.stdin.isatty():
            print("textmill: a text a line, then Ctrl-D", file=sys.stderr)
        raw = [line.rstrip(b"\r\n") for line in sys.stdin.buffer]
    return [text.decode(errors="replace") for text in raw]
