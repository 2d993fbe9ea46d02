"""Guesses the columns of texts, labels, ids and groups in the rows of a table."""

from __future__ import annotations

import re
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
LANGUAGES = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "zh": "Chinese",
    "ja": "Japanese",
    "ko": "Korean",
    "ru": "Russian",
    "ar": "Arabic",
}
_ID_NAMES = ("id", "_id", "uid", "uuid", "guid", "key", "编号", "序号")
_GROUP_NAMES = re.compile(
    r"(user|author|speaker|customer|client|account|person|patient|student|reviewer|sender"
    r"|thread|conversation|dialogue?|session|ticket|case|doc|document|article|paper|book"
    r"|page|url|domain|site|source|group|product|item|module|family|用户|作者|会话)"
    r"[ _-]?(id|name|no|number|key)?",
    re.IGNORECASE,
)
_MAX_LABELS = 100
_MAX_NAMED_LABELS = 1000
"""Number of labels in a column of a usual name."""
_MAX_LABEL_CHARACTERS = 60
_LEAST_REPEATS = 3
"""Smallest average number of rows per label."""
_LEAST_SHARE_OF_LONGEST = 0.2
"""A column of a usual name holds the texts if they are this long, compared with those
of the longest column."""
_LEAST_GROUPS = 20
_LEAST_ROWS_PER_GROUP = 1.5
_LARGEST_GROUP = 0.1
"""Largest share of the rows in one group: a split by few large groups is uneven."""
_HEADER_CHARACTERS = 60
_SHOWN = 4


@dataclass(frozen=True)
class Column:
    """A column of a table, as far as its rows were read."""

    name: str
    num_values: int
    """Rows that have a value."""
    num_missing: int
    """Rows without a value."""
    num_characters: float
    """Mean length of a value as text."""
    counts: Counter[str]
    """Number of rows by value."""

    @property
    def is_label(self) -> bool:
        """True if a few short values occur again and again."""
        num_distinct = len(self.counts)
        is_named = self.name.strip().lower() in _LABEL_NAMES
        return (
            2 <= num_distinct <= (_MAX_NAMED_LABELS if is_named else _MAX_LABELS)
            and self.num_characters <= _MAX_LABEL_CHARACTERS
            and self.num_values >= _LEAST_REPEATS * num_distinct
        )

    @property
    def is_prose(self) -> bool:
        """True if most values have several words, or letters beyond ASCII."""
        sample = list(self.counts)[:100]
        num_prose = sum(" " in value or not value.isascii() for value in sample)
        return num_prose * 2 > len(sample)

    @property
    def is_number(self) -> bool:
        """True if every value is a number."""
        return bool(self.counts) and all(map(is_number, self.counts))

    @property
    def is_id(self) -> bool:
        """True if every row has a value of its own, in a column of a usual name."""
        is_unique = len(self.counts) == self.num_values > 1 and not self.num_missing
        return is_unique and self.name.strip().lower() in _ID_NAMES

    @property
    def is_group(self) -> bool:
        """True if many values of a usual name each occur in a few rows."""
        return bool(
            _GROUP_NAMES.fullmatch(self.name.strip())
            and not self.num_missing
            and len(self.counts) >= _LEAST_GROUPS
            and self.num_values >= _LEAST_ROWS_PER_GROUP * len(self.counts)
            and max(self.counts.values()) <= _LARGEST_GROUP * self.num_values
        )

    def describe_labels(self) -> str:
        """Returns the number of labels, and the most frequent ones."""
        top = ", ".join(repr(value) for value, _ in self.counts.most_common(_SHOWN))
        more = ", ..." if len(self.counts) > _SHOWN else ""
        return f"{len(self.counts):,} values: {top}{more}"


def read_columns(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Returns the columns of rows, in the order of their first appearance."""
    values: dict[str, list[str]] = {}
    for row in rows:
        for name, value in row.items():
            texts = values.setdefault(str(name), [])
            if (text := value_text(value)) is not None:
                texts.append(text)
    return [
        Column(
            name,
            num_values=len(texts),
            num_missing=len(rows) - len(texts),
            num_characters=mean_length(texts),
            counts=Counter(texts),
        )
        for name, texts in values.items()
    ]


def value_text(value: Any) -> str | None:
    """Returns a value as text: 1 for 1.0, true for True; None without a value."""
    if value is None or isinstance(value, list | dict | bytes):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if value != value:
            return None
        value = int(value) if value.is_integer() else value
    return str(value).strip() or None


def is_number(text: str) -> bool:
    """Returns True for a number as text."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def mean_length(texts: Sequence[str]) -> float:
    """Returns the mean length of texts; 0 without any."""
    return sum(map(len, texts)) / len(texts) if texts else 0.0


def lacks_header(columns: Sequence[Column]) -> bool:
    """Returns True if the names of columns are most likely the first row of data."""
    if len(columns) < 2:
        return False
    repeated = any(c.counts[c.name.strip()] > 1 for c in columns if c.name.strip())
    is_long = any(len(c.name) > _HEADER_CHARACTERS and " " in c.name for c in columns)
    return repeated or is_long


def guess_text(columns: Iterable[Column]) -> Column | None:
    """Returns the column of texts: one of a usual name, or that of the longest."""
    filled = [column for column in columns if column.num_values]
    prose = [column for column in filled if column.is_prose] or filled
    longest = max(prose, key=lambda column: column.num_characters, default=None)
    if longest is None:
        return None
    least = longest.num_characters * _LEAST_SHARE_OF_LONGEST
    long = [column for column in prose if column.num_characters >= least]
    return _of_usual_name(long, _TEXT_NAMES) or longest


def guess_label(columns: Iterable[Column], text: Column) -> Column | None:
    """Returns the column of labels: one of a usual name, or that of fewest values."""
    fitting = label_columns(columns, text)
    named = _of_usual_name(fitting, _LABEL_NAMES)
    return named or min(fitting, key=lambda c: len(c.counts), default=None)


def label_columns(columns: Iterable[Column], text: Column) -> list[Column]:
    """Returns the columns that could be labels of a column of texts."""
    return [column for column in columns if column.is_label and column is not text]


def guess_id(columns: Iterable[Column], *taken: Column | None) -> Column | None:
    """Returns the column that names rows, apart from those taken."""
    return next((c for c in columns if c.is_id and not _is_one_of(c, taken)), None)


def guess_group(columns: Iterable[Column], *taken: Column | None) -> Column | None:
    """Returns the column with the fewest groups of rows, apart from those taken."""
    fitting = [c for c in columns if c.is_group and not _is_one_of(c, taken)]
    return min(fitting, key=lambda column: len(column.counts), default=None)


def _is_one_of(column: Column, others: Iterable[Column | None]) -> bool:
    return any(column is other for other in others)


def _of_usual_name(columns: Sequence[Column], names: Sequence[str]) -> Column | None:
    by_name = {column.name.strip().lower(): column for column in columns}
    return next((by_name[name] for name in names if name in by_name), None)
