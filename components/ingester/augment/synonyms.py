"""Synonyms: a table of words and their synonyms, and a search for them in texts.

A word is a run of characters without white space, less the punctuation at its ends;
in Chinese and Japanese, which are written without spaces, it is a character, or as many
as an entry of the table has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

from textmill.models.errors import ConfigError, DataError
from textmill.models.unspaced import character_class

_IDEOGRAPHS = character_class("han", "kana", "bopomofo")
_MARKS = (
    r"!-/:-@\[-`{-~\u00a1-\u00bf\u2010-\u2027\u2030-\u205e\u20a0-\u20bf"
    r"\u2190-\u2bff\u3001-\u3004\u3008-\u3020\u30fb\uff01-\uff0f\uff1a-\uff20"
    r"\uff3b-\uff40\uff5b-\uff65"
)
WORD = re.compile(
    # The first character, and the rest up to the last that is no punctuation.
    rf"[{_IDEOGRAPHS}]"
    rf"|[^\s{_MARKS}{_IDEOGRAPHS}](?:[^\s{_IDEOGRAPHS}]*[^\s{_MARKS}{_IDEOGRAPHS}])?"
)
"""Matches one word."""
_IDEOGRAPHIC_RUN = re.compile(rf"[{_IDEOGRAPHS}]+")


class Synonyms:
    """A table of synonyms that finds its words in a text."""

    def __init__(self, table: dict[str, tuple[str, ...]], *, segment: str) -> None:
        self._table = table
        self._longest = max(map(len, filter(is_ideographic, table)), default=0)
        self._jieba = segment == "jieba" and self._longest > 0

    @classmethod
    def read(cls, path: Path | None, *, segment: str) -> Synonyms:
        """Reads a table; without one, no word has synonyms.

        Raises:
            ConfigError: jieba is asked for and not installed.
            DataError: a line is malformed.
        """
        synonyms = cls(_read_table(path) if path else {}, segment=segment)
        if synonyms._jieba:
            _ = synonyms._cut
        return synonyms

    @cached_property
    def _cut(self) -> Callable[[str], Iterator[str]]:
        try:
            import jieba
        except ImportError:
            raise ConfigError(
                "augment.segment: expected the package jieba, found none; "
                "pip install 'textmill[data]', or use segment: table"
            ) from None
        jieba.setLogLevel("ERROR")
        tokenizer = jieba.Tokenizer()
        return lambda run: tokenizer.cut(run, HMM=False)

    def of(self, word: str) -> tuple[str, ...]:
        """Returns the synonyms of a word in its own capitals, or none."""
        known = self._table.get(word.casefold(), ())
        if not known or not word[0].isupper():
            return known
        if len(word) > 1 and word.isupper():
            return tuple(synonym.upper() for synonym in known)
        return tuple(synonym[:1].upper() + synonym[1:] for synonym in known)

    def places(self, text: str) -> list[tuple[int, int, tuple[str, ...]]]:
        """Returns begin, end and synonyms of every word that has some."""
        places: list[tuple[int, int, tuple[str, ...]]] = []
        if not self._table:
            return places
        for match in WORD.finditer(text):
            known = () if is_ideographic(match[0]) else self.of(match[0])
            if known:
                places.append((*match.span(), known))
        if not self._longest or text.isascii():
            return places
        for run in _IDEOGRAPHIC_RUN.finditer(text):
            places.extend(self._places_in_run(run[0], run.start()))
        return sorted(places)

    def _places_in_run(
        self, run: str, begin: int
    ) -> Iterator[tuple[int, int, tuple[str, ...]]]:
        for word in self._cut(run) if self._jieba else self._longest_words(run):
            known = self._table.get(word)
            if known:
                yield begin, begin + len(word), known
            begin += len(word)

    def _longest_words(self, run: str) -> Iterator[str]:
        begin = 0
        while begin < len(run):
            length = min(self._longest, len(run) - begin)
            while length > 1 and run[begin : begin + length] not in self._table:
                length -= 1
            yield run[begin : begin + length]
            begin += length


def is_ideographic(word: str) -> bool:
    """Returns whether a word is written without spaces around it."""
    return not word.isascii() and _IDEOGRAPHIC_RUN.fullmatch(word) is not None


def _read_table(path: Path) -> dict[str, tuple[str, ...]]:
    table: dict[str, dict[str, None]] = {}
    lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            word, *others = line.decode().rstrip("\r").split("\t")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{where}: expected UTF-8, found {error.reason}; "
                "save the table as UTF-8"
            ) from None
        word = word.casefold()
        if not word or len(word.split()) != 1 or word != word.strip():
            raise DataError(
                f"{where}: expected one word before the first tab, found {word!r}; "
                "correct or delete the line"
            )
        others = [other.strip() for other in others]
        fresh = {other: None for other in others if other.casefold() != word}
        if not all(others) or not fresh:
            raise DataError(
                f"{where}: expected a tab and a synonym after {word!r}, "
                f"found {'none but itself or an empty one' if others else 'none'}; "
                "correct or delete the line"
            )
        table.setdefault(word, {}).update(fresh)
    return {word: tuple(others) for word, others in table.items()}
