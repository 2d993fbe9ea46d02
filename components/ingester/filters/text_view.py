"""A document's words, lines and paragraphs, each computed once for all filters."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property

from textmill.models.unspaced import character_class

_CJK = character_class("han", "kana", "bopomofo")
_CJK_CHARACTER = re.compile(f"[{_CJK}]")
_CJK_RUN = re.compile(f"[{_CJK}]+")
_CJK_MARKS = "\u3000-\u3004\u3008-\u301f\u3030\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40"
_CJK_MARKS += "\uff5b-\uff65\u2014\u2018-\u201d\u2026"
_MIXED_WORD = re.compile(f"[{_CJK}]|[^\\W_][^\\s{_CJK}{_CJK_MARKS}]*")


class TextView:
    """A document with the parts that filters measure.

    Words are separated by white space and keep their punctuation. In a text with
    Chinese characters or kana each of these is a word (as in BERT's tokenizer), and
    other words begin with a letter or a digit: punctuation is not a word.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.removed: dict[str, int] = {}
        """Lines that filters removed, by filter and rule."""

    def replace(self, text: str) -> None:
        """Replaces the text for the filters that follow."""
        removed = self.removed
        self.__dict__.clear()
        self.text, self.removed = text, removed

    @cached_property
    def words(self) -> list[str]:
        """The words in order."""
        if self.num_cjk:
            return _MIXED_WORD.findall(self.text)
        return self.text.split()

    @cached_property
    def num_cjk(self) -> int:
        """The number of Chinese characters and kana."""
        if self.text.isascii():
            return 0
        return sum(map(len, _CJK_RUN.findall(self.text)))

    @cached_property
    def is_cjk(self) -> bool:
        """Returns whether half of the characters are Chinese or Japanese."""
        return self.num_cjk > 0 and 2 * self.num_cjk >= sum(map(len, self.text.split()))

    @cached_property
    def lines(self) -> list[str]:
        """The lines that are not empty."""
        lines = self.text.split("\n")
        return [line for line in lines if line] if "" in lines else lines

    @cached_property
    def paragraphs(self) -> list[str]:
        """The texts between empty lines."""
        parts = self.text.strip().split("\n\n")
        return [stripped for part in parts if (stripped := part.strip("\n"))]


def num_words(line: str) -> int:
    """Returns the number of words of a line, as ``TextView.words`` counts them."""
    if line.isascii() or not _CJK_CHARACTER.search(line):
        return len(line.split())
    return len(_MIXED_WORD.findall(line))


def count_repeated(parts: Iterable[str]) -> tuple[int, int]:
    """Returns the number of parts that occurred before, and of their characters."""
    seen: set[str] = set()
    count = num_chars = 0
    for part in parts:
        if part in seen:
            count += 1
            num_chars += len(part)
        else:
            seen.add(part)
    return count, num_chars


def share(value: float) -> str:
    """Formats a value for a violation's detail."""
    return f"{value:.4g}"
