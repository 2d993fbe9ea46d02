"""Text inside Markdown: shown as it is, whatever it holds."""

from __future__ import annotations

import re

_SYNTAX = re.compile(r"[^\w ]|_|^ | (?= )|(?<= ) | $")


def escape_markdown(text: str) -> str:
    """Writes punctuation, line ends and surplus spaces as character references.

    TensorBoard renders samples as Markdown: an image in a text would be fetched by the
    browser of the reader.
    """
    return _SYNTAX.sub(lambda match: f"&#{ord(match[0])};", text)
