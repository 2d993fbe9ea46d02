"""C4's rules (Raffel et al. 2020, https://arxiv.org/abs/1910.10683, 2.2).

As in the code that made the data set (TensorFlow Datasets' ``c4_utils.clean_page``), in
its order: lines are checked one by one, and rules that drop the whole document read
only lines that are sentences. Two differences: sentences are counted by rules
(``components/text/sentences.py``), not by a learned model, and Chinese and Japanese
marks count.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from textmill.components.ingester.filters.filter import Filter, Violation
from textmill.components.ingester.filters.text_view import TextView, num_words
from textmill.components.text.sentences import sentences
from textmill.models.checks import NOT_NEGATIVE
from textmill.models.errors import ConfigError
from textmill.models.paths import FilePath
from textmill.models.unspaced import UNSPACED, character_class

_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
_ELLIPSES = ("...", "…")
_SCRIPT_WITHOUT_SPACES = re.compile(f"[{character_class(*UNSPACED)}]")


@dataclass(frozen=True, kw_only=True)
class C4Config:
    """Rules for lines that are sentences, and their least number."""

    line_ends: tuple[str, ...] = (
        *(".", "?", "!", '"'),
        *("。", "？", "！", "；", "……", "”", "」", "』"),
    )
    """Lines without one of these at the end are removed, and lines that trail off
    (``...``); empty keeps both, as FineWeb does."""
    min_line_words: Annotated[int, NOT_NEGATIVE] = 5
    """Lines with fewer words are removed: 5 in the code and the journal's text, 3 in
    the first preprint and in datatrove. A Chinese character is a word."""
    max_word_chars: Annotated[int, NOT_NEGATIVE] = 1000
    """Lines with a longer word are removed; not for Chinese, which has no spaces."""
    citations: bool = True
    """Whether ``[12]``, ``[edit]`` and ``[citation needed]`` are removed from lines."""
    javascript: bool = True
    """Whether lines that mention JavaScript are removed."""
    policy: bool = True
    """Whether lines on cookies, privacy policies or terms of use are removed."""
    policy_phrases: tuple[str, ...] = (
        "terms of use",
        "privacy policy",
        "cookie policy",
        "uses cookies",
        "use of cookies",
        "use cookies",
        "隐私政策",
        "使用条款",
    )
    """Phrases of such lines, in lower case."""
    lorem_ipsum: bool = True
    """Whether documents with ``lorem ipsum`` are dropped."""
    curly_bracket: bool = True
    """Whether documents with ``{`` are dropped, as code."""
    min_sentences: Annotated[int, NOT_NEGATIVE] = 3
    """Documents with fewer sentences left are dropped: 3 in the code and the journal's
    text, 5 in the first preprint and in datatrove."""
    bad_words: FilePath | None = None
    """A file of words and phrases, one per line: documents with one are dropped. C4's
    list is not distributed with Textmill."""


class C4(Filter):
    """Removes lines that are not sentences, and drops documents with too few left.

    Raises:
        ConfigError: the file of bad words cannot be read.
    """

    config_class = C4Config

    def __init__(self, name: str, config: C4Config) -> None:
        super().__init__(name, config)
        path = config.bad_words
        self._bad_words = None if path is None else _BadWords(path)

    @classmethod
    def files(cls, config: C4Config) -> tuple[Path, ...]:
        """Returns the file of bad words, if there is one."""
        return () if config.bad_words is None else (Path(config.bad_words),)

    def check(self, view: TextView) -> Violation | None:
        """Returns the first rule that a document breaks, or leaves its good lines.

        Counts removed lines by rule: long_word, no_end, few_words, javascript, policy.
        """
        lines: list[str] = []
        removed: Counter[str] = Counter()
        num_sentences = 0
        for raw in view.text.splitlines():
            line = raw.strip()
            if self.config.citations and "[" in line:
                line = _CITATION.sub("", line)
            if (rule := self._line_rule(line)) is not None:
                if line:
                    removed[rule] += 1
                continue
            folded = line.lower()
            if violation := self._document_rule(line, folded):
                return violation
            if (rule := self._mention_rule(folded)) is not None:
                removed[rule] += 1
                continue
            num_sentences += len(sentences(line))
            lines.append(line)
        text = "\n".join(lines).strip()
        if num_sentences < self.config.min_sentences:
            bound = self.config.min_sentences
            return Violation("sentences", f"{num_sentences} sentences < {bound}")
        if self._bad_words and (word := self._bad_words.find(text)):
            return Violation("bad_words", f"holds {word!r}")
        for rule, count in removed.items():
            view.removed[f"{self.name}:{rule}_line"] = count
        if text != view.text:
            view.replace(text)
        return None

    def _line_rule(self, line: str) -> str | None:
        config = self.config
        if len(line) > config.max_word_chars and _has_long_word(
            line, config.max_word_chars
        ):
            return "long_word"
        if config.line_ends and (
            not line.endswith(config.line_ends)
            or (line.endswith(_ELLIPSES) and not line.endswith("……"))
        ):
            return "no_end"
        if num_words(line) < config.min_line_words:
            return "few_words"
        return None

    def _document_rule(self, line: str, folded: str) -> Violation | None:
        if self.config.lorem_ipsum and "lorem ipsum" in folded:
            return Violation("lorem_ipsum", "holds 'lorem ipsum'")
        if not self.config.curly_bracket or "{" not in line:
            return None
        if self.config.javascript and "javascript" in folded:
            return None  # this line is removed
        return Violation("curly_bracket", "holds '{'")

    def _mention_rule(self, folded: str) -> str | None:
        if self.config.javascript and "javascript" in folded:
            return "javascript"
        if self.config.policy:
            for phrase in self.config.policy_phrases:
                if phrase in folded:
                    return "policy"
        return None


def _has_long_word(line: str, max_chars: int) -> bool:
    return any(
        len(word) > max_chars and not _SCRIPT_WITHOUT_SPACES.search(word)
        for word in line.split()
    )


class _BadWords:
    """Finds words between other characters than letters and digits; phrases anywhere
    for scripts without spaces."""

    def __init__(self, path: str) -> None:
        try:
            with open(path, encoding="utf-8") as file:
                entries = sorted({line.strip().lower() for line in file} - {""})
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"clean.quality.c4.bad_words: {path}: expected a text file of words in "
                f"UTF-8, one per line ({error}); name another, or none"
            ) from None
        self._anywhere = [e for e in entries if _SCRIPT_WITHOUT_SPACES.search(e)]
        spaced = [e for e in entries if not _SCRIPT_WITHOUT_SPACES.search(e)]
        self._words = frozenset(e for e in spaced if re.fullmatch(r"\w+", e))
        self._phrases = [
            (entry, re.compile(rf"(?<!\w){re.escape(entry)}(?!\w)"))
            for entry in spaced
            if entry not in self._words
        ]

    def find(self, text: str) -> str | None:
        """Returns the first bad word in the order of the alphabet, or None."""
        folded = text.lower()
        matches = set(self._words.intersection(re.findall(r"\w+", folded)))
        matches.update(entry for entry in self._anywhere if entry in folded)
        matches.update(
            entry
            for entry, pattern in self._phrases
            if entry in folded and pattern.search(folded)
        )
        return min(matches, default=None)
