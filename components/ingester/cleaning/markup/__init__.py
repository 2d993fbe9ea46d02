"""Removes the marks of HTML, Markdown, reStructuredText and MediaWiki around text.

Code is text and is left unchanged, tags included: fenced blocks, and the blocks of a
reStructuredText ``::`` or code directive. Elsewhere:

- blocks: marks of headings, rules and underlines, quotes, tables (cells are joined by
  tabs), directives and their options, comments, targets and link definitions;
- HTML: tags of HTML's own element names, comments, and scripts and styles with their
  content; not ``a < b``, ``List<int>``, or a bare ``<title>`` without a ``</title>``.
  Breaks between blocks become line breaks;
- MediaWiki, in texts that show signs of it: templates, links, headings, tables;
- inline: links, emphasis and code become their text, images are removed;
- last, entities are decoded, once, so that escaped marks become text.

List bullets and backslashes are left. Every pass is linear in the text.
"""

from __future__ import annotations

import re
from collections import Counter

from textmill.components.ingester.cleaning.markup import (
    blocks,
    hypertext,
    inline,
    mediawiki,
)

_GAPS = re.compile(r"\n(?:[ \t]*\n){2,}")


def strip(text: str, removed: Counter[str]) -> str:
    """Returns the text without markup; counts ``html`` and ``markup``."""
    before = removed["html"] + removed["markup"]
    pieces = [
        piece if is_code else _strip_prose(piece, removed)
        for is_code, piece in blocks.split(text, removed)
    ]
    if removed["html"] + removed["markup"] == before:
        return text
    return _GAPS.sub("\n\n", "\n".join(pieces)).strip("\n")


def _strip_prose(text: str, removed: Counter[str]) -> str:
    text = hypertext.strip(text, removed)
    text = mediawiki.strip(text, removed)
    text = inline.strip(text, removed)
    return hypertext.decode_entities(text, removed)
