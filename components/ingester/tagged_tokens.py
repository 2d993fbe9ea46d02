"""Tokens with tags become a text with spans: IOB1, IOB2, BIOES and BILOU alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from textmill.components.ingester.readers.records import BadRecord

_TAG = re.compile(r"O|([BIESLU])-(.+)", re.DOTALL)
_OPENING, _CLOSING = "BSU", "ESLU"
"""Prefixes of a span's first token, and of its last one."""


def join_tokens(
    tokens: Sequence[Any], tags: Any, separator: str
) -> tuple[str, list[dict[str, Any]]]:
    """Returns the text of tokens, and the spans of their tags in characters.

    A span begins with B, S or U, or after the end of another or of another label; it
    ends with E, L, S or U, or before the next one.

    Raises:
        BadRecord: the lists differ in length, or a value is neither a token nor a tag.
    """
    if not isinstance(tags, list) or len(tags) != len(tokens):
        got = len(tags) if isinstance(tags, list) else type(tags).__name__
        raise _bad(f"expected a list of {len(tokens)} tags, one a token, got {got}")
    spans: list[dict[str, Any]] = []
    position, is_open = 0, False
    for token, tag in zip(tokens, tags, strict=True):
        if type(token) is not str or not token:
            raise _bad(f"expected tokens that are text, got {token!r}")
        match = _TAG.fullmatch(tag) if isinstance(tag, str) else None
        if match is None:
            raise _bad(f"expected O or a tag such as B-place, got {tag!r}")
        prefix, label = match.groups()
        end = position + len(token)
        is_next = is_open and prefix not in _OPENING if prefix else False
        if is_next and spans[-1]["label"] == label:
            spans[-1]["end"] = end
        elif prefix:
            spans.append({"start": position, "end": end, "label": label})
        is_open = prefix is not None and prefix not in _CLOSING
        position = end + len(separator)
    return separator.join(tokens), spans


def _bad(detail: str) -> BadRecord:
    return BadRecord("tags_type", detail)
