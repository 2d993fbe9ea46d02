"""Inline marks of Markdown and reStructuredText: links, images, emphasis, code, roles.

Emphasis opens at the beginning of a word and closes at the end of one, so ``2*3*4``,
``snake_case``, ``__init__`` and ``**kwargs`` are left. Marks never span a blank line.
"""

from __future__ import annotations

import re
from collections import Counter

_BREAK = r"\n(?![ \t]*+[\n*+>#-])"
# Every alternative starts with its character, for a fast search, and then looks behind.
# ASCII, as Chinese has no spaces.
_EMPHASIS = re.compile(
    r"://[^\s<>\[\]()\"'`]++|``[^`\n]++``|`[^`\n]++`"  # no group: left as it is
    r"|\*(?<![A-Za-z0-9_\\*]\*)\*\*(?![\s*])(?P<f>[^*\n]++)(?<!\s)\*\*\*"
    r"(?![A-Za-z0-9_*])"
    rf"|\*(?<![A-Za-z0-9_\\*]\*)\*(?![\s*])(?P<a>(?:[^*\n]++|\*(?!\*)|{_BREAK})++)"
    r"(?<!\s)\*\*(?![A-Za-z0-9_])"
    rf"|\*(?<![A-Za-z0-9_\\*/]\*)(?![\s*])(?P<b>(?:[^*\n]++|{_BREAK})++)"
    r"(?<!\s)\*(?![A-Za-z0-9_*])"
    rf"|_(?<![A-Za-z0-9_\\]_)_(?![\s_])(?P<c>(?:[^_\n]++|_(?!_)|{_BREAK})++)"
    r"(?<!\s)__(?![A-Za-z0-9_])"
    rf"|_(?<![A-Za-z0-9_\\/.]_)(?![\s_])(?P<d>(?:[^_\n]++|{_BREAK})++)"
    r"(?<!\s)_(?![A-Za-z0-9_])"
    r"|~(?<![~\\]~)~(?![\s~])(?P<e>(?:[^~\n]++|~(?!~))++)(?<!\s)~~(?!~)"
)
_IDENTIFIER = re.compile(r"\w+")
_URL = r"\([ \t]*+<?[^()\s<>\[]*+(?:\([^()\s\[]*+\)[^()\s<>\[]*+)*+>?"
_TITLE = r"(?:\s++(?:\"[^\"\[]*+\"|'[^'\[]*+'))?[ \t]*+\)"
_IMAGE = re.compile(rf"!\[[^\[\]]*+\](?:{_URL}{_TITLE}|\[[^\[\]]*+\])")
_LINK = re.compile(rf"\[(?<![A-Za-z0-9_)\]\\]\[)([^\[\]]*+)\]{_URL}{_TITLE}")
_REFERENCE = re.compile(
    r"\[(?<![A-Za-z0-9_)\]\\]\[)(?=[^\[\]]*?[^\W\d_]{2})([^\[\]]*+)\]"
    r"\[[^\[\]\n]*+\]"
)
_NOTE_MARK = re.compile(r"(\[[^\[\]\s]{1,60}+\])_(?![A-Za-z0-9_])")
_AUTOLINK = re.compile(r"<((?:https?|ftp)://[^\s<>]++)>")
_ROLE = re.compile(
    r":(?:[A-Za-z][\w.+-]{0,30}+:){1,3}+`([~!]?)([^`<]{1,500}+)(?:<[^`<>]{0,500}+>)?`"
)
_QUOTED = re.compile(
    r"``((?:[^`\n]++|`(?!`)|\n(?![ \t]*+\n))++)``"
    r"|`([^`<>]{1,500}+)<[^`<>]{1,1000}+>`__?"
    r"|`((?:[^`\n]++|\n(?![ \t]*+\n))++)`(?:__?(?![A-Za-z0-9_]))?"
)


def strip(text: str, removed: Counter[str]) -> str:
    """Returns the text without inline marks."""
    before = text
    num_removed = 0
    if "*" in text or "_" in text or "~~" in text:
        text = _EMPHASIS.sub(_emphasized, text)
    if "![" in text:
        text, num_removed = _IMAGE.subn("", text)
    for sign, pattern, instead in _PASSES:
        if sign in text:
            text, more = pattern.subn(instead, text)
            num_removed += more
    if text != before:
        removed["markup"] += num_removed or 1
    return text


def _emphasized(match: re.Match[str]) -> str:
    kind = match.lastgroup
    if kind is None:
        return match[0]
    content = match[kind]
    if kind == "c" and _IDENTIFIER.fullmatch(content):
        return match[0]
    # The content cannot hold the same mark: recursion ends after five levels.
    return _EMPHASIS.sub(_emphasized, content)


def _role_text(match: re.Match[str]) -> str:
    shown = match[2].strip()
    return shown.rpartition(".")[2] if match[1] == "~" else shown


def _quoted(match: re.Match[str]) -> str:
    content = match[1] or match[2] or match[3] or ""
    return content.strip() or match[0]


_PASSES = (
    ("](", _LINK, r"\1"),
    ("][", _REFERENCE, r"\1"),
    ("]_", _NOTE_MARK, r"\1"),
    (":`", _ROLE, _role_text),
    ("`", _QUOTED, _quoted),
    ("<", _AUTOLINK, r"\1"),
)
"""Passes in order: the characters that must occur, the pattern, its replacement."""
