"""Removes MediaWiki templates, links, headings and tables in texts that have them.

A text with ``[[target|text]]``, ``[[Target]]`` or ``== heading ==`` is MediaWiki; in
other texts two braces or quotes mean something else.
"""

from __future__ import annotations

import re
from collections import Counter


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


_BRACES = re.compile(r"\{\{|\}\}")
_LINK = re.compile(r"\[\[([^\[\]|\n]{1,300}+)((?:\|[^\[\]|]{0,1000}+)*+)\]\]")
_SIGN = re.compile(
    r"\[\[[^\s\[\]|][^\[\]|\n]*+\||\[\[[^\W\d_a-z][^\[\]\n,|]*+\]\]|^==[^=\n]++==+$",
    re.MULTILINE,
)
_ADDRESS = re.compile(r"\[(?:https?:)?//[^\s\[\]]++([^\[\]\n]*+)\]")
_QUOTES = re.compile(r"'{2,5}+")
_SWITCH = re.compile(r"__[A-Z]{3,30}__")
_HIDDEN_NAMESPACES = _names(
    "file image media category datei bild kategorie fichier catégorie archivo categoría"
    " 文件 檔案 图像 圖像 分类 分類"
)
"""Name spaces whose links show no text: pictures and categories."""


def strip(text: str, removed: Counter[str]) -> str:
    """Returns the text without MediaWiki's marks, if it shows signs of them."""
    if ("[[" not in text and "==" not in text) or not _SIGN.search(text):
        return text
    text = _strip_templates(text, removed)
    for _ in range(2):  # a caption holds links
        if "[[" in text:
            text, num_removed = _LINK.subn(_link_text, text)
            removed["markup"] += num_removed
    for pattern, instead in ((_ADDRESS, _label), (_QUOTES, ""), (_SWITCH, "")):
        text, num_removed = pattern.subn(instead, text)
        removed["markup"] += num_removed
    lines = [_strip_line(line) for line in text.split("\n")]
    stripped = "\n".join(line for line in lines if line is not None)
    if stripped != text:
        removed["markup"] += 1
    return stripped


def _strip_templates(text: str, removed: Counter[str]) -> str:
    """Removes ``{{...}}``, nested ones included; unpaired braces are left."""
    opened: list[int] = []
    spans: list[tuple[int, int]] = []
    for match in _BRACES.finditer(text):
        if match[0] == "{{":
            opened.append(match.start())
        elif opened:
            begin = opened.pop()
            while spans and spans[-1][0] > begin:
                spans.pop()
            spans.append((begin, match.end()))
    if not spans:
        return text
    removed["markup"] += len(spans)
    ends = [0, *(end for _, end in spans)]
    begins = [*(begin for begin, _ in spans), len(text)]
    return "".join(text[end:begin] for end, begin in zip(ends, begins, strict=True))


def _link_text(match: re.Match[str]) -> str:
    target, bars = match[1].strip(), match[2]
    space, colon, _ = target.partition(":")
    if colon and space.strip().lower() in _HIDDEN_NAMESPACES:
        return ""
    label = bars.rpartition("|")[2].strip() if bars else ""
    return label or target.lstrip(":")


def _label(match: re.Match[str]) -> str:
    return match[1].strip()


def _strip_line(line: str) -> str | None:
    """Returns a line without marks of headings and tables, None for only marks."""
    first = line[:1]
    if first == "=" and line.startswith("==") and line.rstrip().endswith("=="):
        return line.strip().strip("=").strip()
    if line.startswith(("{|", "|-", "|}", "|+")):
        return None
    if first in ("|", "!") and line[1:2] in (" ", first):
        cells = line[1:].replace("!!", "||").split("||")
        return "\t".join(cell.strip() for cell in cells)
    return line
