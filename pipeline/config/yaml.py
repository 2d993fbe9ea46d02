"""YAML 1.2 for configs: plain values, each with its position in the file.

Reads only mappings, lists and scalars of the core schema. Refuses anchors, aliases,
merge keys, tags, repeated keys and further documents, because they make a file mean
something else than it shows. Values are addressed by dotted paths
(``stages.library.train.epochs``, ``slices.0``); the position of a value is that of its
key, or of the item in a list.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from textmill.models.errors import ConfigError

MAX_DEPTH = 32
MAX_BYTES = 1_000_000
"""Size of the largest file that is read; the reader is not made for data."""

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True} | {
    "false": False,
    "False": False,
    "FALSE": False,
}
_INT = re.compile(r"[-+]?[0-9]{1,40}|0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, order=True)
class Position:
    """A position in a file, counted from 1; line 0 stands for the whole source."""

    line: int
    column: int
    source: str

    def __str__(self) -> str:
        place = f":{self.line}:{self.column}" if self.line else ""
        return self.source + place


@dataclass
class Tree:
    """The values of a YAML source, their positions and mistakes."""

    value: Any
    positions: dict[str, Position] = field(default_factory=dict)
    """Position of every value, by dotted path."""
    problems: dict[str, str] = field(default_factory=dict)
    """Uses of YAML that a config does not allow, by dotted path."""


def join(path: str, key: str | int) -> str:
    """Returns the dotted path of a child."""
    return f"{path}.{key}" if path else str(key)


def as_mapping(value: Any) -> dict[str, Any]:
    """Returns a mapping as it is, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def read_yaml(text: str, source: str) -> Tree:
    """Reads one document.

    Raises:
        ConfigError: the text is not YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return _Reader(YAML(typ="safe", pure=True).parse(text), source).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Position(mark.line + 1, mark.column + 1, source)
        is_block = error.context == "while scanning a block scalar"
        hint = "; quote a text that starts with > or |" if is_block else ""
        raise ConfigError(
            f"{place}: expected YAML, got {_problem(error)}{hint}"
        ) from None
    except YAMLError as error:
        start = text[: getattr(error, "position", 0)]
        column = len(start) - start.rfind("\n")
        place = Position(start.count("\n") + 1, column, source)
        raise ConfigError(
            f"{place}: expected YAML, got a character that is not text; remove it"
        ) from None


def read_scalar(text: str) -> Any:
    """Returns the value of a plain scalar in YAML 1.2's core schema.

    ``1e-4`` is a number and ``no`` a text. Infinity, NaN and integers of more than 40
    digits stay texts: no setting can hold them.
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


def override(tree: Tree, assignment: str) -> None:
    """Applies one ``a.b=v`` to a tree; missing mappings are created.

    ``v`` is a scalar, or a collection or text of YAML's flow style if it starts with a
    bracket, brace or quote.

    Raises:
        ConfigError: the assignment is malformed, or its path cannot exist.
    """
    assignment = _text(assignment)  # a shell passes on bytes that are not UTF-8
    path, equals, text = assignment.partition("=")
    position = Position(0, 0, f"--set {assignment}")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"{position}: expected a.b=value, got {assignment!r}")
    if len(keys) > MAX_DEPTH:
        raise ConfigError(
            f"--set {path[:60]}...: expected at most {MAX_DEPTH} keys, "
            f"got {len(keys):,}"
        )
    text = text.strip()
    if text[:1] in set("[{\"'"):
        new = read_yaml(text, str(position))
    else:
        new = Tree(read_scalar(text))
    if not isinstance(tree.value, dict):
        tree.value = {}
    node: Any = tree.value
    for depth, key in enumerate(keys[:-1]):
        slot = _slot(node, key, position)
        if isinstance(node, dict) and not isinstance(node.get(slot), dict | list):
            node[slot] = {}
            _place(tree, ".".join(keys[: depth + 1]), position)
        node = node[slot]
    node[_slot(node, keys[-1], position)] = new.value
    target = ".".join(keys)
    _place(tree, target, position)
    for child in new.positions:
        tree.positions[join(target, child) if child else target] = position
    for child, problem in new.problems.items():
        tree.problems[join(target, child) if child else target] = problem


def _slot(node: Any, key: str, position: Position) -> Any:
    if isinstance(node, dict):
        return key
    if not isinstance(node, list) or not key.isdecimal() or int(key) >= len(node):
        count = len(node) if isinstance(node, list) else 0
        raise ConfigError(
            f"{position}: expected the index of one of {count} items, got {key!r}"
        )
    return int(key)


def _place(tree: Tree, path: str, position: Position) -> None:
    """Gives a path a new position and drops those below it."""
    for known in (tree.positions, tree.problems):
        for old in [p for p in known if p == path or p.startswith(path + ".")]:
            del known[old]
    tree.positions[path] = position


def _text(value: str) -> str:
    """Joins the surrogate pairs of ``\\u`` escapes; a lone half becomes U+FFFD."""
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _problem(error: Any) -> str:
    words = [error.context, error.problem]
    return " ".join(w for w in words if w).replace("\n", " ")


class _Reader:
    """Builds a tree from YAML events, one method per kind of node."""

    def __init__(self, events: Iterator[Any], source: str) -> None:
        self.events, self.source = events, source
        self.tree = Tree(None)

    def document(self) -> Tree:
        from ruamel.yaml import events as kinds

        next(self.events)
        self.tree.positions[""] = Position(1, 1, self.source)
        if isinstance(next(self.events), kinds.StreamEndEvent):
            return self.tree
        self.tree.value = self.node(next(self.events), "", 0)
        next(self.events)
        if not isinstance(event := next(self.events), kinds.StreamEndEvent):
            path = "---"
            self.tree.positions[path] = self.position(event)
            self.tree.problems[path] = "expected one document, got another"
        return self.tree

    def position(self, event: Any) -> Position:
        mark = event.start_mark
        return Position(mark.line + 1, mark.column + 1, self.source)

    def node(self, event: Any, path: str, depth: int) -> Any:
        from ruamel.yaml import events as kinds

        if depth > MAX_DEPTH:
            raise ConfigError(
                f"{self.position(event)}: expected at most {MAX_DEPTH} levels, got more"
            )
        if isinstance(event, kinds.AliasEvent):
            return self.refuse(path, f"the alias *{event.anchor}")
        if event.anchor:
            self.refuse(path, f"the anchor &{event.anchor}")
        if event.ctag is not None:
            self.refuse(path, f"the tag {event.ctag}")
        if isinstance(event, kinds.ScalarEvent):
            return _text(event.value) if event.style else read_scalar(event.value)
        if isinstance(event, kinds.SequenceStartEvent):
            return self.sequence(path, depth)
        return self.mapping(path, depth)

    def sequence(self, path: str, depth: int) -> list[Any]:
        from ruamel.yaml import events as kinds

        items: list[Any] = []
        while not isinstance(event := next(self.events), kinds.SequenceEndEvent):
            child = join(path, len(items))
            self.tree.positions[child] = self.position(event)
            items.append(self.node(event, child, depth + 1))
        return items

    def mapping(self, path: str, depth: int) -> dict[str, Any]:
        from ruamel.yaml import events as kinds

        values: dict[str, Any] = {}
        while not isinstance(event := next(self.events), kinds.MappingEndEvent):
            position = self.position(event)
            if not isinstance(event, kinds.ScalarEvent) or event.anchor or event.ctag:
                raise ConfigError(f"{position}: expected a plain text as key")
            key = event.value
            child = join(path, key)
            problem = self.key_problem(event, key in values, child)
            if problem:
                self.tree.problems[child] = problem
            self.tree.positions[child] = position
            value = self.node(next(self.events), child, depth + 1)
            if not problem:
                values[key] = value
        return values

    def key_problem(self, event: Any, is_repeated: bool, path: str) -> str | None:
        key = event.value
        if is_repeated:
            first = self.tree.positions[path].line
            return f"expected {key!r} once, got it again (first in line {first})"
        if key == "<<" and not event.style:
            return "expected plain YAML, got a merge key; write the keys out"
        if not key or "." in key:
            return f"expected a key without a dot, got {key!r}"
        return None

    def refuse(self, path: str, what: str) -> None:
        self.tree.problems.setdefault(
            path, f"expected plain YAML, got {what}; write the value out"
        )
