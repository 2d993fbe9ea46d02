"""Count words of a private dialect in docstrings and names; exit 1 if there is one."""

import ast
import re
import sys
from pathlib import Path

CLAUSE = re.compile(r"(which|that|who|whether|how|where)\b|.*\bwhat\b", re.IGNORECASE)
DIALECT = re.compile(
    r"\b(beside|behind|anew|told|tells|spelt|spells|mends?|mended|lends?|lent|"
    r"is no|are no|of others|the others)\b",
    re.IGNORECASE,
)
NAMES = {"found", "at", "here", "now", "mine", "made", "kept", "judge", "cut", "told"}


def problems(path: Path) -> list[str]:
    """Returns ``file:line word`` of every docstring and assignment in dialect."""
    lines = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node) or ""
            if CLAUSE.match(text.partition("\n")[0]) or DIALECT.search(text):
                line = getattr(node, "lineno", 1)
                lines.append(f"{path}:{line}: docstring: {text.splitlines()[0]}")
        is_name = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        if is_name and node.id in NAMES:
            lines.append(f"{path}:{node.lineno}: name: {node.id}")
    return lines


if __name__ == "__main__":
    folders = sys.argv[1:] or ["pipeline", "components", "models"]
    lines = [
        p for f in folders for file in Path(f).rglob("*.py") for p in problems(file)
    ]
    print(*sorted(lines), sep="\n")
    print(len(lines), "words of dialect")
    sys.exit(bool(lines))
