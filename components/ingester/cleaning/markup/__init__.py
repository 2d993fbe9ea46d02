"""Markup: HTML, Markdown, reStructuredText and MediaWiki marks, cut from around text.

Code is text and stays as it is: fenced blocks, and what a reStructuredText ``::`` or
code directive introduces; in them not even a tag is touched. Elsewhere:

- blocks: marks of headings, rules and underlines, quotes, tables (cells are joined by
  tabs), directives and their options, comments, targets and link definitions;
- HTML: tags of HTML's own element names, comments, and scripts and styles with their
  content; ``a < b`` is no tag, ``List<int>`` has no HTML name, and a bare ``<title>``
  counts only if ``</title>`` occurs too. Breaks between blocks become line breaks;
- MediaWiki, where a text shows signs of it: templates, links, headings, tables;
- inline: links become their text, images nothing, emphasis and code their content;
- last, entities are decoded, once: what an author escaped is text, whatever it is now.

List bullets stay, as do backslashes. Every pass is linear in the text, whatever it is.
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


def strip(text: str, cut: Counter[str]) -> str:
    """Returns the text without markup; counts ``html`` and ``markup``."""
    before = cut["html"] + cut["markup"]
    pieces = [
        piece if is_code else _strip_prose(piece, cut)
        for is_code, piece in blocks.split(text, cut)
    ]
    if cut["html"] + cut["markup"] == before:
        return text
    return _GAPS.sub("\n\n", "\n".join(pieces)).strip("\n")


def _strip_prose(text: str, cut: Counter[str]) -> str:
    text = hypertext.strip(text, cut)
    text = mediawiki.strip(text, cut)
    text = inline.strip(text, cut)
    return hypertext.decode_entities(text, cut)
