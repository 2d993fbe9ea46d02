"""Local files: what a path or glob names on this machine, and nothing outside it."""

from __future__ import annotations

import glob
import os
import re

from textmill.models.errors import ConfigError, did_you_mean

_MAGIC = re.compile(r"[*?[{]")


def list_files(pattern: str) -> list[str]:
    """Returns the files that a glob matches, as the glob spells them."""
    return [
        path
        for path in glob.glob(pattern.removeprefix("file://"), recursive=True)
        if os.path.isfile(path)
    ]


def match(pattern: str, *, within: str) -> list[str]:
    """Returns the absolute paths that a path or glob names.

    Args:
        pattern: a path, a glob, or one of both after ``file://``.
        within: the pattern as the user wrote it: the folder before its first wildcard
            or brace is where links may not lead out of.

    Raises:
        ConfigError: it matches no file, names a folder, or leaves its folder.
    """
    pattern = pattern.removeprefix("file://")
    within = within.removeprefix("file://")
    if os.path.isfile(pattern):
        found = [os.path.abspath(pattern)]
        if pattern != within:
            _stay_inside(within, found)
        return found
    if os.path.isdir(pattern):
        raise ConfigError(f"{pattern}: expected files, got a folder; write {pattern}/*")
    found = [os.path.abspath(path) for path in list_files(pattern)]
    if not found:
        raise ConfigError(f"{pattern}: no such file{_near(pattern)}")
    _stay_inside(within, found)
    return found


def walk(folder: str) -> list[str]:
    """Returns the relative paths of all files below a folder, sorted.

    Raises:
        ConfigError: there is no such folder, or a link in it leads out of it.
    """
    if not os.path.isdir(folder):
        raise ConfigError(f"{folder}: no such folder{_near(folder)}")
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        paths = [os.path.join(place, name) for name in files]
        found += [path for path in paths if os.path.isfile(path)]
        inner = [os.path.join(place, name) for name in folders]
        _stay_inside(os.path.join(folder, "*"), list(filter(os.path.islink, inner)))
    _stay_inside(os.path.join(folder, "*"), found)
    return sorted(os.path.relpath(path, folder).replace(os.sep, "/") for path in found)


def _near(pattern: str) -> str:
    folder, name = os.path.split(pattern)
    siblings = sorted(os.listdir(folder or ".")) if os.path.isdir(folder or ".") else []
    return did_you_mean(name, siblings)


def _stay_inside(pattern: str, found: list[str]) -> None:
    """Refuses links by which a glob would read outside the folder that it names."""
    folder = pattern
    while _MAGIC.search(folder):
        folder = os.path.dirname(folder)
    root = os.path.realpath(folder or ".")
    for path in found:
        real = os.path.realpath(path)
        if os.path.commonpath([root, real]) != root:
            raise ConfigError(
                f"{path}: a link to {real}, outside {root} that {pattern} names; "
                "name that file itself"
            )
