"""Block marks of Markdown and reStructuredText, with code separated from prose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


_HEADING = re.compile(r"#{1,6}[ \t]+(?=\S)")
_DIRECTIVE = re.compile(r"([A-Za-z][\w+.-]*+(?::[\w+.-]++){0,3})::(?:[ \t]+|$)")
_FOOTNOTE = re.compile(r"\[[^\[\]\s]{1,60}\](?=[ \t])")
_DEFINITION = re.compile(r"\[[^\[\]\n]{1,200}\]:[ \t]*(?:<|https?:|mailto:|[./#]\S|$)")
_NOTE = re.compile(r"\[\^[^\[\]\s]{1,60}\]:[ \t]*")
_UNDERLINES = frozenset("=-~^\"'#*+`_")
_STARTS = frozenset("=-~^\"'#*+`_>|.[:")
"""First characters of the lines that may be marks."""
_CODE = _names(
    "code code-block sourcecode parsed-literal math doctest testcode testsetup"
    " testoutput ipython prompt productionlist graphviz mermaid"
)
_HIDDEN = _names(
    "image figure contents toctree index include literalinclude raw highlight"
    " default-role meta sectnum tabularcolumns only role currentmodule module"
)
_PROSE, _FENCED, _LITERAL, _OPTIONS, _CODE_OPTIONS, _SKIPPED = range(6)


def split(text: str, removed: Counter[str]) -> Iterator[tuple[bool, str]]:
    """Yields (is code, lines) in order, without the marks; joined by ``\\n``.

    An unclosed fence makes the rest code, as in CommonMark.
    """
    reader = _Reader(text.split("\n"))
    yield from reader.read()
    if reader.num_removed:
        removed["markup"] += reader.num_removed


class _Reader:
    """A state machine over lines: the open block decides the meaning of a line."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._state = _PROSE
        self._indent = 0
        self._fence = ""
        self.num_removed = 0

    def read(self) -> Iterator[tuple[bool, str]]:
        pending: list[str] = []
        pending_code = False
        for i, line in enumerate(self._lines):
            if self._state != _PROSE and self._continues(line):
                is_code = self._state in (_FENCED, _LITERAL)
                text: str | None = line if is_code else None
                if self._ends_fence(line):
                    text = None
            else:
                is_code, text = False, self._strip(i, line)
            if text is None:
                self.num_removed += 1
                continue
            if is_code != pending_code and pending:
                yield pending_code, "\n".join(pending)
                pending = []
            pending_code = is_code
            pending.append(text)
        if pending:
            yield pending_code, "\n".join(pending)

    def _continues(self, line: str) -> bool:
        """Returns whether a line continues the open block."""
        if self._state == _FENCED:
            return True
        stripped = line.lstrip()
        inside = not stripped or len(line) - len(stripped) > self._indent
        if self._state in (_OPTIONS, _CODE_OPTIONS) and not stripped.startswith(":"):
            if self._state == _CODE_OPTIONS and inside:
                self._state = _LITERAL
            else:
                inside = False
        if not inside:
            self._state = _PROSE
        elif not stripped and self._state == _SKIPPED:
            return False
        return inside

    def _ends_fence(self, line: str) -> bool:
        if self._state != _FENCED:
            return False
        stripped = line.strip()
        mark = self._fence[0]
        if len(stripped) < len(self._fence) or stripped.strip(mark):
            return False
        self._state = _PROSE
        return True

    def _strip(self, i: int, line: str) -> str | None:
        """Returns a line of prose without its marks, None where nothing is left."""
        if line.endswith("::") and self._opens_literal(i, line):
            self.num_removed += 1
            self._state, self._indent = _LITERAL, len(line) - len(line.lstrip())
            if not line.lstrip().startswith(".. "):
                return line[:-1] if line.strip() != "::" else None
        stripped = line.strip()
        if stripped[:1] not in _STARTS or not stripped:
            return line
        if stripped.startswith(("```", "~~~")) and self._opens_fence(stripped):
            return None
        if stripped.startswith("..") and stripped[2:3] in ("", " "):
            return self._strip_directive(line, stripped[3:].lstrip())
        if _is_rule(stripped):
            return None
        text = _strip_mark(stripped, len(line) - len(line.lstrip()))
        if text is stripped:
            return line
        if text is not None:
            self.num_removed += 1
        return text

    def _opens_fence(self, stripped: str) -> bool:
        mark = stripped[0]
        rest = stripped.lstrip(mark)
        if "`" in rest:
            return False
        self._state, self._fence = _FENCED, stripped[: len(stripped) - len(rest)]
        return True

    def _opens_literal(self, i: int, line: str) -> bool:
        """Returns whether a blank line and an indented block follow a ``::``."""
        indent = len(line) - len(line.lstrip())
        for j in range(i + 1, len(self._lines)):
            stripped = self._lines[j].lstrip()
            if stripped:
                return j > i + 1 and len(self._lines[j]) - len(stripped) > indent
        return False

    def _strip_directive(self, line: str, content: str) -> str | None:
        """Returns the visible part of a directive, a footnote or a comment."""
        self._indent = len(line) - len(line.lstrip())
        if match := _DIRECTIVE.match(content):
            name, shown = match[1].lower(), content[match.end() :]
            if name in _CODE:
                self._state, shown = _CODE_OPTIONS, ""
            elif name in _HIDDEN:
                self._state, shown = _SKIPPED, ""
            else:
                self._state = _OPTIONS
        elif _FOOTNOTE.match(content):
            self._state, shown = _PROSE, content
        else:
            self._state, shown = _SKIPPED, ""
        if shown:
            self.num_removed += 1
        return shown or None


def _is_rule(stripped: str) -> bool:
    """Returns whether a line is an underline, a rule or the frame of a table."""
    first = stripped[0]
    size = len(stripped)
    if first in _UNDERLINES and size >= 3:
        if stripped.count(first) == size:
            return size > 3 or first not in "\"'"
        if first in "=-" and stripped.count(first) + stripped.count(" ") == size:
            return stripped.count(first * 2) > 0
        if first == "+" and not stripped.strip("+-=| "):
            return True
    return (
        first in "|:-"
        and "-" in stripped
        and "|" in stripped[:-1]
        and not (stripped.strip("|:- "))
    )


def _strip_mark(stripped: str, indent: int) -> str | None:
    """Returns a line without marks: the same object, or None where nothing is left."""
    first = stripped[0]
    if first == "|":
        if len(stripped) > 2 and stripped[-1] == "|" and "|" in stripped[1:-1]:
            return "\t".join(cell.strip() for cell in stripped[1:-1].split("|"))
        return stripped
    if indent >= 4:  # Markdown's indented code
        return stripped
    if first == "#" and (match := _HEADING.match(stripped)):
        return _without_closing(stripped[match.end() :])
    if first == ">" and stripped[1:2] in ("", " "):
        return stripped.lstrip("> ")
    if first == "[":
        if match := _NOTE.match(stripped):
            return stripped[match.end() :]
        if _DEFINITION.match(stripped):
            return None
    return stripped


def _without_closing(title: str) -> str:
    bare = title.rstrip("#")
    return bare.rstrip() if bare != title and bare.endswith((" ", "\t")) else title
