"""Removes HTML tags, comments and scripts in one forward scan, decodes entities.

Pages are rarely valid: the scan knows elements by name and does not pair them.
"""

from __future__ import annotations

import html
import re
from collections import Counter

# A tag ends before the next "<", so that no text is scanned twice.
_TAG = re.compile(
    r"<(?:(/?)([A-Za-z][A-Za-z0-9]*+)"
    r"(?:(?=[\s/])((?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+')*+"
    r"|[^<>]*+))?>"
    r"|(!--)|!\[CDATA\[|(\?[A-Za-z])|(![A-Za-z])[^<>]*+>)"
)
_END_TAG = re.compile(r"</([A-Za-z][A-Za-z0-9]*+)")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


_WITH_CONTENT = _names("script style template svg iframe noscript ref")
"""Elements that are removed with their content; ``ref`` is MediaWiki's."""
_PARAGRAPHS = _names(
    "address article aside blockquote body center details dialog div dl fieldset"
    " figure footer form h1 h2 h3 h4 h5 h6 head header hr html main nav ol p pre"
    " section table title ul"
)
_LINES = _names(
    "br caption dd dt figcaption legend li optgroup option summary tbody tfoot thead tr"
)
_CELLS = _names("td th")
_INLINE = _names(
    "a abbr acronym area audio b base bdi bdo big button canvas cite code col colgroup"
    " data datalist del dfn em embed font i img input ins kbd label link map mark menu"
    " meta meter object output param picture progress q rp rt ruby s samp select slot"
    " small source span strike strong sub sup textarea time track tt u var video wbr"
    " gallery nowiki poem references"
)
_WITHOUT_END = _names("br hr wbr p li dt dd td th tr thead tbody tfoot html body")
"""Elements whose start tag without attributes counts without an end tag."""


def strip(text: str, removed: Counter[str]) -> str:
    """Returns the text without tags, comments, scripts and styles."""
    if "<" not in text:
        return text
    pieces: list[str] = []
    num_removed = begin = 0
    at_line_start = True
    scan = _Scan(text)
    match = _TAG.search(text)
    while match:
        end, instead = scan.read(match)
        if end:
            between = text[begin : match.start()]
            at_line_start = at_line_start and (not between or between.isspace())
            if instead == "\t" and at_line_start:
                instead = ""  # tabs only separate cells
            at_line_start = at_line_start or instead.endswith("\n")
            pieces += between, instead
            begin, num_removed = end, num_removed + 1
        match = _TAG.search(text, end or match.start() + 1)
    if not num_removed:
        return text
    removed["html"] += num_removed
    return "".join(pieces) + text[begin:]


class _Scan:
    """Classifies tags; remembers end marks that the text does not hold."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._folded: str | None = None
        self._closed: set[str] | None = None
        self._missing: set[str] = set()

    def read(self, match: re.Match[str]) -> tuple[int, str]:
        """Returns the end of the removed part, 0 to keep it, and its replacement."""
        slash, name, attributes, comment, instruction, declaration = match.groups()
        if comment:
            return self._past("-->", match.end()), ""
        if instruction:
            return self._past("?>", match.end()), ""
        if declaration:
            return match.end(), ""
        if not name:
            return self._past("]]>", match.end()), ""
        name = name.lower()
        if name in _WITH_CONTENT:
            if not slash and not (attributes or "").rstrip().endswith("/"):
                return self._past_end_tag(name, match.end()) or match.end(), ""
            return match.end(), ""
        instead = self._instead(name, match)
        if instead is None or not (slash or attributes or self._counts(name)):
            return 0, ""
        return match.end(), instead

    def _counts(self, name: str) -> bool:
        """Returns whether a bare start tag is a tag: ``<source>`` may be a word."""
        if name in _WITHOUT_END:
            return True
        if self._closed is None:
            self._closed = {n.lower() for n in _END_TAG.findall(self._text)}
        return name in self._closed

    def _instead(self, name: str, match: re.Match[str]) -> str | None:
        if name in _PARAGRAPHS:
            return "\n\n"
        if name in _LINES:
            return "\n"
        if name in _CELLS:
            return "" if match[1] else "\t"
        if name == "sup" and not match[1]:
            return "^" if self._is_power(match) else ""
        return "" if name in _INLINE else None

    def _is_power(self, match: re.Match[str]) -> bool:
        """Returns whether a superscript is an exponent: 10<sup>6</sup> is not 106."""
        before = self._text[match.start() - 1 : match.start()]
        after = self._text[match.end() : match.end() + 1]
        return (before.isdigit() or before == ")") and (
            after.isdigit() or after in "-−"
        )

    def _past(self, mark: str, begin: int) -> int:
        if mark in self._missing:
            return 0
        end = self._text.find(mark, begin)
        if end < 0:
            self._missing.add(mark)
            return 0
        return end + len(mark)

    def _past_end_tag(self, name: str, begin: int) -> int:
        if name in self._missing:
            return 0
        if self._folded is None:
            self._folded = self._text.lower()
            if len(self._folded) != len(self._text):
                self._folded = self._text  # positions must agree
        end = self._folded.find(f"</{name}", begin)
        if end < 0:
            self._missing.add(name)
            return 0
        return self._text.find(">", end) + 1


def decode_entities(text: str, removed: Counter[str]) -> str:
    """Returns the text with its entities decoded, those that end with ``;``."""
    if "&" not in text:
        return text
    text, num_removed = _ENTITY.subn(_decode, text)
    if num_removed:
        removed["html"] += num_removed
    return text


def _decode(match: re.Match[str]) -> str:
    return html.unescape(match[0])
