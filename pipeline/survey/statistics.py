"""Statistics of texts and labels: lengths, language, duplicates, balance, leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textmill.pipeline.survey.columns import Column, is_number, mean_length, value_text

_NUM_EXAMINED = 2000
"""Texts whose language and length in tokens are examined."""
_EXAMINED_CHARACTERS = 20_000
_CHARACTERS_PER_TOKEN = 4.0
"""Of scripts with spaces; a character of the others is about a token."""
_SHARE_COVERED = 0.95
_SHORTEST_LEAK = 3
"""Characters of a label that is searched in the texts, 2 where words have no spaces."""


@dataclass(frozen=True)
class TextStatistics:
    """Texts of a sample."""

    num_texts: int
    """Rows with a text."""
    num_empty: int
    """Rows without one."""
    num_characters: float
    """Mean length."""
    lengths: tuple[int, ...]
    """Estimated tokens of some texts, sorted."""
    language: str
    """The code of the most frequent language; ``und`` if it is not known."""
    script: str
    """The script of most letters."""
    num_duplicates: int
    """Rows whose text occurred in an earlier row; case and spaces are ignored."""
    num_conflicts: int
    """Different texts that have two labels or more."""

    @property
    def covering_length(self) -> int:
        """Tokens that 95 of 100 texts do not exceed."""
        return self.lengths[int(_SHARE_COVERED * (len(self.lengths) - 1))]

    def share_longer(self, length: int) -> float:
        """Returns the share of texts with more tokens."""
        return sum(size > length for size in self.lengths) / len(self.lengths)


@dataclass(frozen=True)
class LabelStatistics:
    """Labels of the rows of a sample that have a text."""

    counts: Counter[str]
    """Number of rows by label."""
    num_missing: int
    """Rows without a label."""
    num_texts: int
    """Different texts with a label; case and spaces are ignored."""
    leaks: tuple[str, ...]
    """Labels whose name is in nearly all of their own texts, and in few others."""

    @property
    def num_rows(self) -> int:
        """Number of labelled rows."""
        return self.counts.total()

    @property
    def majority(self) -> tuple[str, float]:
        """The most frequent label, and its share."""
        [(label, count)] = self.counts.most_common(1)
        return label, count / self.num_rows

    @property
    def is_nearly_unique(self) -> bool:
        """True if there are more labels than half the rows."""
        return len(self.counts) * 2 > self.num_rows

    @property
    def is_continuous(self) -> bool:
        """True if labels are many different numbers, as of a regression."""
        return all(map(is_number, self.counts)) and (
            any("." in label for label in self.counts) or self.is_nearly_unique
        )

    def rarer_than(self, num_rows: int) -> list[str]:
        """Returns the labels with fewer rows, the rarest first."""
        rare = [label for label, count in self.counts.items() if count < num_rows]
        return sorted(rare, key=lambda label: (self.counts[label], label))


def text_statistics(
    rows: Sequence[Mapping[str, Any]], text: Column, label: Column | None
) -> TextStatistics:
    """Returns the statistics of a column of texts."""
    from textmill.components.text.shingles import text_key

    texts = _texts(rows, text)
    labels: dict[bytes, set[str]] = {}
    for row, value in zip(rows, texts, strict=True):
        if value is not None:
            seen = labels.setdefault(text_key(value), set())
            if label and (name := value_text(row.get(label.name))) is not None:
                seen.add(name)
    present = [value for value in texts if value is not None]
    language, script, lengths = _examine(present)
    return TextStatistics(
        num_texts=len(present),
        num_empty=len(texts) - len(present),
        num_characters=mean_length(present),
        lengths=lengths,
        language=language,
        script=script,
        num_duplicates=len(present) - len(labels),
        num_conflicts=sum(len(names) > 1 for names in labels.values()),
    )


def label_statistics(
    rows: Sequence[Mapping[str, Any]], text: Column, label: Column
) -> LabelStatistics:
    """Returns the statistics of a column of labels."""
    from textmill.components.text.shingles import text_key

    pairs = [
        (value, value_text(row.get(label.name)))
        for row, value in zip(rows, _texts(rows, text), strict=True)
        if value is not None
    ]
    counts = Counter(name for _, name in pairs if name is not None)
    labelled = [(value, name) for value, name in pairs if name is not None]
    return LabelStatistics(
        counts=counts,
        num_missing=len(pairs) - len(labelled),
        num_texts=len({text_key(value) for value, _ in labelled}),
        leaks=_leaks(labelled[:: max(len(labelled) // _NUM_EXAMINED, 1)]),
    )


def _texts(rows: Sequence[Mapping[str, Any]], text: Column) -> list[str | None]:
    return [value_text(row.get(text.name)) for row in rows]


def _examine(texts: Sequence[str]) -> tuple[str, str, tuple[int, ...]]:
    """Returns language, script and lengths in tokens of some of the texts."""
    from textmill.components.text import unicode_scripts

    languages: Counter[str] = Counter()
    scripts: Counter[str] = Counter()
    lengths = []
    for text in texts[:: max(len(texts) // _NUM_EXAMINED, 1)]:
        examined = text[:_EXAMINED_CHARACTERS]
        shares = unicode_scripts.script_shares(examined)
        if shares:
            language, _ = unicode_scripts.language_of_script(
                shares
            ) or unicode_scripts.guess_language(examined, shares)
            languages[language] += 1
            scripts[next(iter(shares))] += 1
        lengths.append(_num_tokens(text, shares))
    languages.pop("und", None)
    language = languages.most_common(1)[0][0] if languages else "und"
    script = scripts.most_common(1)[0][0] if scripts else ""
    return language, script, tuple(sorted(lengths))


def _num_tokens(text: str, shares: Mapping[str, float]) -> int:
    from textmill.models.unspaced import UNSPACED

    unspaced = sum(share for script, share in shares.items() if script in UNSPACED)
    return round(len(text) * (unspaced + (1 - unspaced) / _CHARACTERS_PER_TOKEN))


def _leaks(labelled: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Returns the labels that are written in their own texts and in few others."""
    texts: dict[str, list[str]] = {}
    for text, label in labelled:
        texts.setdefault(label, []).append(text.casefold())
    return tuple(label for label in sorted(texts) if _is_leak(label, texts))


def _is_leak(label: str, texts: Mapping[str, Sequence[str]]) -> bool:
    name = label.casefold()
    shortest = _SHORTEST_LEAK if name.isascii() else _SHORTEST_LEAK - 1
    if len(name) < shortest or is_number(name):
        return False
    own = sum(name in text for text in texts[label]) / len(texts[label])
    if own < 0.9 or len(texts[label]) < 5:
        return False
    groups = (group for other, group in texts.items() if other != label)
    others = [text for group in groups for text in group]
    return sum(name in text for text in others) < 0.1 * max(len(others), 1)
