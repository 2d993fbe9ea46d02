"""Violations: all mistakes of a config, one line each, in the order of the file."""

from __future__ import annotations

import json
from typing import Any

from textmill.models.errors import ConfigError
from textmill.pipeline.config.yaml import Position, Tree

_MAX_LINES = 50


class Violations:
    """The mistakes of one config, by path; a path has one at most, the first found."""

    def __init__(self, tree: Tree) -> None:
        self.positions = tree.positions
        self._sentences = dict(tree.problems)
        self._yaml_problems = tuple(tree.problems)

    def add(self, path: str, expected: str, got: Any, hint: str = "") -> None:
        """Adds an unexpected value."""
        self.add_sentence(path, f"expected {expected}, got {show(got)}{hint}")

    def add_sentence(self, path: str, sentence: str) -> None:
        """Adds a mistake in its own words."""
        self._sentences.setdefault(path, sentence)

    def is_readable(self, path: str) -> bool:
        """Returns True if the YAML at and below a path has no mistake."""
        return not any(
            bad_path == path or bad_path.startswith(f"{path}." if path else "")
            for bad_path in self._yaml_problems
        )

    def position(self, path: str) -> Position:
        """Returns the position of a path, or of its nearest parent if it is missing."""
        while path not in self.positions:
            path = path.rpartition(".")[0]
        return self.positions[path]

    def raise_any(self, file: str) -> None:
        """Raises all mistakes as one error, in the order of the file.

        Raises:
            ConfigError: there is at least one.
        """
        if not self._sentences:
            return
        lines = [
            (position.line == 0, position, f"{position} {path}".rstrip() + f": {text}")
            for path, text in self._sentences.items()
            for position in [self.position(path)]
        ]
        texts = [text for *_, text in sorted(lines)]
        title = [f"{len(texts)} errors in {file}"] if len(texts) > 1 else []
        rest = len(texts) - _MAX_LINES
        more = [f"and {rest:,} more"] if rest > 0 else []
        raise ConfigError("\n".join([*title, *texts[:_MAX_LINES], *more]))


def show(value: Any) -> str:
    """Returns a value as messages show it: short, in YAML's words."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str():
            return repr(value if len(value) <= 60 else value[:57] + "...")
    return json.dumps(value)
