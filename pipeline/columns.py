"""Guesses the columns of texts and labels in the first rows of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_TEXT_NAMES = (
    "text",
    "message",
    "body",
    "content",
    "sentence",
    "review",
    "comment",
    "description",
    "document",
    "question",
    "title",
    "nachricht",
    "文本",
    "内容",
    "评论",
    "正文",
    "标题",
)
_LABEL_NAMES = (
    "label",
    "category",
    "class",
    "topic",
    "target",
    "intent",
    "sentiment",
    "tag",
    "type",
    "kategorie",
    "klasse",
    "y",
    "标签",
    "类别",
    "分类",
)
_MAX_LABELS = 100
_MAX_LABEL_CHARACTERS = 60
_LEAST_REPEATS = 3
"""Smallest average number of rows per label."""
_SHOWN = 4


@dataclass(frozen=True)
class Column:
    """A column of a table, as far as its first rows show."""

    name: str
    num_values: int
    num_characters: float
    """Mean length of a value as text."""
    counts: Counter[str]
    """Number of rows by value."""

    @property
    def is_label(self) -> bool:
        """True if a few short values occur again and again."""
        num_distinct = len(self.counts)
        return (
            2 <= num_distinct <= _MAX_LABELS
            and self.num_characters <= _MAX_LABEL_CHARACTERS
            and self.num_values >= _LEAST_REPEATS * num_distinct
        )

    def describe_labels(self) -> str:
        """Returns the number of labels, and the most frequent ones."""
        top = ", ".join(repr(value) for value, _ in self.counts.most_common(_SHOWN))
        more = ", ..." if len(self.counts) > _SHOWN else ""
        return f"{len(self.counts)} values: {top}{more}"


def read_columns(rows: Iterable[Mapping[str, Any]]) -> list[Column]:
    """Returns the columns of rows, in the order of their first appearance."""
    values: dict[str, list[str]] = {}
    for row in rows:
        for name, value in row.items():
            texts = values.setdefault(str(name), [])
            if value is not None and not isinstance(value, list | dict):
                texts += [text] if (text := str(value).strip()) else []
    return [
        Column(name, len(texts), _mean_length(texts), Counter(texts))
        for name, texts in values.items()
    ]


def guess_text(columns: Sequence[Column]) -> Column | None:
    """Returns the column of texts: one of a usual name, or that of the longest."""
    filled = [column for column in columns if column.num_values]
    named = _of_usual_name(filled, _TEXT_NAMES)
    return named or max(filled, key=lambda c: c.num_characters, default=None)


def guess_label(columns: Sequence[Column], text: Column) -> Column | None:
    """Returns the column of labels: one of a usual name, or that of fewest values."""
    fitting = label_columns(columns, text)
    named = _of_usual_name(fitting, _LABEL_NAMES)
    return named or min(fitting, key=lambda c: len(c.counts), default=None)


def label_columns(columns: Sequence[Column], text: Column) -> list[Column]:
    """Returns the columns that could be labels of a column of texts."""
    return [column for column in columns if column.is_label and column is not text]


def _of_usual_name(columns: Sequence[Column], names: Sequence[str]) -> Column | None:
    by_name = {column.name.strip().lower(): column for column in columns}
    return next((by_name[name] for name in names if name in by_name), None)


def _mean_length(texts: Sequence[str]) -> float:
    return sum(map(len, texts)) / len(texts) if texts else 0.0
