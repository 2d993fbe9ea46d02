"""Extracts documentation paragraphs from Python source.

A program of the standard library alone: the reader runs it in one process a batch. It
takes a JSON list of ``[path, name]`` on stdin and prints a line a file, a
list of rows or the reason why the source cannot be parsed. ``name`` is the path below
the folder of the packages, with the library first: ``sklearn/linear_model/_base.py``.
"""

from __future__ import annotations

import ast
import gc
import inspect
import json
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator

MIN_CHARS, MAX_CHARS = 40, 2000
MIN_LETTERS = 0.85
"""Share of letters and spaces; below it, a paragraph is code, a table or a formula."""

_BLANK = re.compile(r"\n\s*\n")
_RULER = re.compile(r"[\s=\-~^\"'#*+_.:`|]{3,}")
_MARKUP = re.compile(r">>>|\.\. |\.\.\. |:\w+[ \w]*:|@|\$ |[#|+]")
_LISTS = re.compile(
    r"(other )?parameters|returns|yields|receives|raises|warns|attributes|methods"
    r"|references|see also|examples?",
    re.IGNORECASE,
)


def prose(docstring: str) -> Iterator[str]:
    """Yields the paragraphs that are running text, white space collapsed."""
    fenced = literal = False
    for block in _BLANK.split(inspect.cleandoc(docstring)):
        if fences := block.count("```"):
            fenced ^= bool(fences % 2)
        elif not fenced and not (literal and block[0].isspace()):
            literal = block.endswith("::")
            if text := _running_text(block):
                yield text


def _running_text(block: str) -> str | None:
    lines = textwrap.dedent(block).splitlines()
    if len(lines) > 1 and _RULER.fullmatch(lines[1]):
        if _LISTS.fullmatch(lines[0].strip()):
            return None
        lines = lines[2:]
    # Lines of code and tables start with a mark, or have too few letters.
    if any(_MARKUP.match(line.lstrip()) for line in lines):
        return None
    text = " ".join(" ".join(lines).split())
    if not MIN_CHARS <= len(text) <= MAX_CHARS:
        return None
    letters = sum(map(str.isalpha, text)) + text.count(" ")
    return text if letters >= MIN_LETTERS * len(text) else None


def read_source(source: bytes, *, name: str) -> list[dict[str, str]]:
    """Returns a row for every prose paragraph, in the order of the source.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: as ``ast.parse`` does.
    """
    library = name.partition("/")[0].removesuffix(".py")
    module = _module(name)
    rows = []
    seen: Counter[str] = Counter()
    for kind, path, docstring in _docstrings(ast.parse(source), "module", ""):
        where = f"{module}:{path}" if path else module
        for text in prose(docstring):
            rows.append(
                {
                    "id": f"{where}#{seen[where]}",
                    "text": text,
                    "library": library,
                    "module": module,
                    "kind": kind,
                }
            )
            seen[where] += 1
    return rows


def _module(name: str) -> str:
    parts = name.removesuffix(".py").split("/")
    if parts[0] == "stdlib":
        parts = parts[1:]
    if parts[-1] == "__init__" and len(parts) > 1:
        parts = parts[:-1]
    return ".".join(parts)


Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _docstrings(
    node: ast.Module | Definition, kind: str, path: str
) -> Iterator[tuple[str, str, str]]:
    """Yields kind, qualified name and docstring of a definition and those inside."""
    match node.body[:1]:
        case [ast.Expr(value=ast.Constant(value=str(docstring)))]:
            yield kind, path, docstring
    for inner in _definitions(node.body):
        name = f"{path}.{inner.name}" if path else inner.name
        kind = "class" if isinstance(inner, ast.ClassDef) else "function"
        yield from _docstrings(inner, kind, name)


def _definitions(body: list[ast.stmt]) -> Iterator[Definition]:
    for statement in body:
        if isinstance(statement, Definition):
            yield statement
        elif isinstance(statement, ast.If | ast.Try | ast.With):
            yield from _definitions(statement.body)
            yield from _definitions(getattr(statement, "orelse", []))
            for handler in getattr(statement, "handlers", []):
                yield from _definitions(handler.body)


def main() -> None:
    """Answers the files named on stdin, a line each."""
    gc.disable()  # syntax trees have millions of nodes and no cycles
    for path, name in json.load(sys.stdin):
        with open(path, "rb") as file:
            source = file.read()
        try:
            answer: object = read_source(source, name=name)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            answer = f"{type(error).__name__}: {error}"
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
