"""FineWeb's own rules (Penedo et al. 2024, https://arxiv.org/abs/2406.17557, 3.6).

As in datatrove's filter, which made the data set; blank lines do not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from textmill.components.ingester.filters.filter import Filter, Violation
from textmill.components.ingester.filters.text_view import (
    TextView,
    count_repeated,
    share,
)
from textmill.models.checks import NOT_NEGATIVE


@dataclass(frozen=True, kw_only=True)
class FineWebConfig:
    """A document's lines must end, be long enough, and differ."""

    min_ended_lines: Annotated[float, NOT_NEGATIVE] = 0.12
    """The share of the lines that end with a mark must be greater."""
    line_ends: tuple[str, ...] = (
        *(".", "'", '"', "!", "?"),
        *("。", "！", "？", "；", "…", "”", "’", "」", "』"),
    )
    """The marks: datatrove's five, and those of Chinese and Japanese."""
    max_short_lines: Annotated[float, NOT_NEGATIVE] = 0.67
    """The share of the lines that are short must be smaller."""
    short_line_chars: Annotated[int, NOT_NEGATIVE] = 30
    """A line is short with this many characters or fewer."""
    cjk_short_line_chars: Annotated[int, NOT_NEGATIVE] = 15
    """The same in mostly Chinese or Japanese text, where a character says more."""
    max_repeated_chars: Annotated[float, NOT_NEGATIVE] = 0.01
    """The share of the characters in lines that occurred before must be smaller."""
    max_newlines_per_word: Annotated[float, NOT_NEGATIVE] = 0.3
    """Greatest number of line breaks over that of words: lists have more."""


class FineWeb(Filter):
    """Drops documents whose lines are short, unfinished or repeated."""

    config_class = FineWebConfig

    def check(self, view: TextView) -> Violation | None:
        """Returns the first rule that a document breaks."""
        config = self.config
        lines = [line for line in view.lines if not line.isspace()]
        if not lines:
            return Violation("ended_lines", "no line at all")
        ratio = sum(line.endswith(config.line_ends) for line in lines) / len(lines)
        if ratio <= config.min_ended_lines:
            bound = share(config.min_ended_lines)
            return Violation("ended_lines", f"{share(ratio)} of the lines <= {bound}")
        longest = (
            config.cjk_short_line_chars if view.is_cjk else config.short_line_chars
        )
        ratio = sum(length <= longest for length in map(len, lines)) / len(lines)
        if ratio >= config.max_short_lines:
            bound = share(config.max_short_lines)
            return Violation("short_lines", f"{share(ratio)} of the lines >= {bound}")
        num_newlines = view.text.count("\n")
        _, num_repeated = count_repeated(lines)
        ratio = num_repeated / (len(view.text) - num_newlines)
        if ratio >= config.max_repeated_chars:
            bound = share(config.max_repeated_chars)
            detail = f"{share(ratio)} of the characters >= {bound}"
            return Violation("repeated_lines", detail)
        ratio = num_newlines / (len(view.words) or 1)
        if ratio > config.max_newlines_per_word:
            bound = share(config.max_newlines_per_word)
            return Violation("newlines", f"{share(ratio)} line breaks a word > {bound}")
        return None
