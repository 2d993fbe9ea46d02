"""What is wrong with a config: one line a fault, in the order of the file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from textmill.models.errors import ConfigError
from textmill.pipeline.config.yaml import Position, Tree


class Violations:
    """The faults of one config, by path."""

    def __init__(self, tree: Tree) -> None:
        self.positions = tree.positions
        self.faults = dict(tree.faults)

    def add(self, path: str, expected: str, got: Any, hint: str = "") -> None:
        """Records that a path holds something else than it should."""
        self.faults.setdefault(path, f"expected {expected}, got {show(got)}{hint}")

    def position(self, path: str) -> Position:
        """Returns where a path stands, or its nearest parent where it is missing."""
        while path not in self.positions:
            path = path.rpartition(".")[0]
        return self.positions[path]

    def raise_any(self, file: str) -> None:
        """Raises everything that was found, in the order of the file.

        Raises:
            ConfigError: there is something.
        """
        if not self.faults:
            return
        lines = [
            (position.line == 0, position, f"{position} {path}".rstrip() + f": {fault}")
            for path, fault in self.faults.items()
            for position in [self.position(path)]
        ]
        texts = [text for *_, text in sorted(lines)]
        many = len(texts) > 1
        raise ConfigError("\n".join([f"{len(texts)} errors in {file}"] * many + texts))


def show(value: Any) -> str:
    """Returns how a message names a value: short, and in the words of YAML."""
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


def one_of(words: Sequence[str]) -> str:
    """Returns ``a, b or c``."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
