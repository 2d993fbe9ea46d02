"""MediaWiki: templates, links, headings and tables, in texts that show signs of it.

The signs are ``[[target|text]]``, ``[[Target]]`` or ``== heading ==``: without one, two
braces or quotes are some other language's.
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
_CUT_SPACES = _names(
    "file image media category datei bild kategorie fichier catégorie archivo categoría"
    " 文件 檔案 图像 圖像 分类 分類"
)
"""Name spaces whose links show no text: pictures and categories."""


def strip(text: str, cut: Counter[str]) -> str:
    """Returns the text without MediaWiki's marks, if it shows signs of them."""
    if ("[[" not in text and "==" not in text) or not _SIGN.search(text):
        return text
    text = _strip_templates(text, cut)
    for _ in range(2):  # a caption holds links
        if "[[" in text:
            text, num_cut = _LINK.subn(_link_text, text)
            cut["markup"] += num_cut
    for pattern, instead in ((_ADDRESS, _label), (_QUOTES, ""), (_SWITCH, "")):
        text, num_cut = pattern.subn(instead, text)
        cut["markup"] += num_cut
    lines = [_strip_line(line) for line in text.split("\n")]
    kept = "\n".join(line for line in lines if line is not None)
    if kept != text:
        cut["markup"] += 1
    return kept


def _strip_templates(text: str, cut: Counter[str]) -> str:
    """Cuts ``{{...}}`` with what is nested in it; braces that do not pair stay."""
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
    cut["markup"] += len(spans)
    ends = [0, *(end for _, end in spans)]
    begins = [*(begin for begin, _ in spans), len(text)]
    return "".join(text[end:begin] for end, begin in zip(ends, begins, strict=True))


def _link_text(match: re.Match[str]) -> str:
    target, bars = match[1].strip(), match[2]
    space, colon, _ = target.partition(":")
    if colon and space.strip().lower() in _CUT_SPACES:
        return ""
    label = bars.rpartition("|")[2].strip() if bars else ""
    return label or target.lstrip(":")


def _label(match: re.Match[str]) -> str:
    return match[1].strip()


def _strip_line(line: str) -> str | None:
    """Returns a line without marks of headings and tables, None for nothing but."""
    first = line[:1]
    if first == "=" and line.startswith("==") and line.rstrip().endswith("=="):
        return line.strip().strip("=").strip()
    if line.startswith(("{|", "|-", "|}", "|+")):
        return None
    if first in ("|", "!") and line[1:2] in (" ", first):
        cells = line[1:].replace("!!", "||").split("||")
        return "\t".join(cell.strip() for cell in cells)
    return line
