"""Finds the model and reads the texts of ``textmill predict``."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from textmill.components.artifacts import PushedModel
from textmill.models.errors import ConfigError, did_you_mean
from textmill.pipeline.remote.mirror import Mirror

_VERSION = re.compile(rf"pushed/([^/]+)/(\d+)/{re.escape(PushedModel.MODEL)}")


def find_model(target: str, mirror: Mirror) -> Path:
    """Returns the folder of a SavedModel: the given one, or a stage's newest version.

    Raises:
        ConfigError: neither exists.
    """
    if (Path(target) / PushedModel.MODEL).is_file():
        return Path(target)
    stages = _newest(mirror)
    if target in stages:
        folder = f"pushed/{target}/{stages[target]}"
        mirror.fetch(folder)
        return mirror.path / folder
    if versions := PushedModel.versions(Path(target)):
        return versions[0]
    known = "a pushed stage"
    hint = f"; nothing was pushed below {mirror.root}: run a pipeline first"
    if stages:
        known += f" ({', '.join(sorted(stages))})"
        hint = did_you_mean(target, sorted(stages))
    raise ConfigError(
        f"predict: expected {known} or the folder of a SavedModel, got {target!r}{hint}"
    )


def _newest(mirror: Mirror) -> dict[str, int]:
    """Returns the newest version of every pushed stage."""
    names = mirror.sizes("pushed")
    if not mirror.is_remote:
        models = mirror.path.glob(f"pushed/*/*/{PushedModel.MODEL}")
        names = {path.relative_to(mirror.path).as_posix(): 0 for path in models}
    newest: dict[str, int] = {}
    for name in names:
        if match := _VERSION.fullmatch(name):
            newest[match[1]] = max(int(match[2]), newest.get(match[1], 0))
    return newest


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
