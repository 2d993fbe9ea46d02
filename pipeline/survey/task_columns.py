"""Guesses the task of data, and its columns, from the names and values of the columns.

Values decide where they can: spans, tags of tokens, lists of names. Other tasks have
columns of texts only, and are known by usual names. A column of labels comes first: a
text with a label is for a classifier, and needs no guess here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, permutations
from typing import Any

from textmill.pipeline.survey.columns import LANGUAGES, Column, guess_label, guess_text

_NUM_EXAMINED = 1000
"""Rows whose values are examined."""
_TAG = re.compile(r"O|[BIESLU]-\S+")
_PASSAGE_NAMES = ("passage", "context", "document", "paragraph")
_QUESTION_NAMES = ("question", "query")
_ANSWER_NAMES = ("answers", "answer")
_NUMBER_NAMES = ("score", "similarity", "rating", "stars", "number", "value", "target")
_PAIRS = (
    ("premise", "hypothesis"),
    ("sentence1", "sentence2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("question1", "question2"),
    ("claim", "evidence"),
)
_SEARCH = (
    ("query", "passage", "negative"),
    ("query", "positive", "negative"),
    ("anchor", "positive", "negative"),
    ("query", "passage"),
    ("query", "positive"),
    ("query", "document"),
    ("anchor", "positive"),
)
_REPLIES = (
    ("prompt", "response"),
    ("prompt", "completion"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("message", "reply"),
    ("question", "answer"),
    ("input", "output"),
)
_WRITING = (
    ("source", "target"),
    ("src", "tgt"),
    ("document", "summary"),
    ("article", "summary"),
    ("text", "summary"),
)


@dataclass(frozen=True)
class TaskColumns:
    """A task, and the columns that it reads."""

    task: str
    texts: tuple[str, ...]
    target: str | None = None


def guess_task(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    *,
    task: str | None = None,
    texts: Sequence[str] = (),
    target: str | None = None,
) -> TaskColumns | None:
    """Returns the task and the columns that fit values and names; None without any.

    Args:
        rows: of the data.
        columns: the same rows by column.
        task: the only task to look for; then two columns of texts, or the only column
            of numbers, need no usual name.
        texts: the columns of texts, if they are given.
        target: the column of the target, if it is given.
    """
    known = {column.name: column for column in columns}
    if task is None and target in known and known[target].num_values:
        return None
    guesses = _guesses(_Table(rows, columns, texts[0] if texts else None))
    if task is not None:
        guesses = [guess for guess in guesses if guess.task == task]
        guesses += _unnamed(task, columns)
    elif target is None and _has_label(columns):
        guesses = [guess for guess in guesses if guess.task == "classify"]
    return next(
        (
            guess
            for guess in guesses
            if tuple(texts) in ((), guess.texts) and target in (None, guess.target)
        ),
        None,
    )


def _has_label(columns: Sequence[Column]) -> bool:
    text = guess_text(columns)
    return text is not None and guess_label(columns, text) is not None


class _Table:
    """Rows and their columns, of which some hold lists."""

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        columns: Sequence[Column],
        text: str | None,
    ) -> None:
        self.columns = columns
        self.names = {column.name.strip().lower(): column.name for column in columns}
        longest = guess_text(columns)
        self.text = text or (longest.name if longest else None)
        values = {
            column.name: [
                row[column.name]
                for row in islice(rows, _NUM_EXAMINED)
                if row.get(column.name) is not None
            ]
            for column in columns
        }
        self.lists = {
            name: lists
            for name, lists in values.items()
            if any(lists) and all(isinstance(value, list) for value in lists)
        }

    def named(self, *choices: str) -> str | None:
        """Returns the first column of some names."""
        return next((self.names[name] for name in choices if name in self.names), None)

    def group(self, groups: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
        """Returns the columns of the first group of names that all occur."""
        return next(
            (
                tuple(self.names[name] for name in group)
                for group in groups
                if all(name in self.names for name in group)
            ),
            None,
        )


def _guesses(table: _Table) -> list[TaskColumns]:
    """Returns the tasks that fit the data, the surest first."""
    return [
        *_by_values(table),
        *_pairs(table),
        *_by_names(table),
    ]


def _by_values(table: _Table) -> Iterator[TaskColumns]:
    """Yields the tasks whose targets are lists."""
    passage, question = table.named(*_PASSAGE_NAMES), table.named(*_QUESTION_NAMES)
    answers = table.named(*_ANSWER_NAMES)
    if passage and question and answers:
        yield TaskColumns("answer", (passage, question), answers)
    for name, lists in table.lists.items():
        items = [item for value in lists for item in value]
        if table.text and all(map(_is_span, items)):
            yield TaskColumns("tag", (table.text,), name)
        elif all(isinstance(item, str) for item in items):
            if tokens := _tokens_of(name, items, table.lists):
                yield TaskColumns("tag", (tokens,), name)
            elif table.text and len(set(items)) * 2 <= len(items):
                yield TaskColumns("multilabel", (table.text,), name)


def _is_span(item: Any) -> bool:
    if isinstance(item, dict):
        return {"start", "end", "label"} <= set(item)
    return isinstance(item, list) and [type(part) for part in item] == [int, int, str]


def _tokens_of(
    name: str, tags: Sequence[str], lists: Mapping[str, Sequence[list[Any]]]
) -> str | None:
    """Returns the column of the tokens of tags, whose lists are as long."""
    if not all(map(_TAG.fullmatch, tags)):
        return None
    sizes = list(map(len, lists[name]))
    same = (n for n, v in lists.items() if n != name and list(map(len, v)) == sizes)
    return next(same, None)


def _pairs(table: _Table) -> Iterator[TaskColumns]:
    """Yields the tasks of two texts with a label or a number."""
    pair = table.group(_PAIRS)
    others = [c for c in table.columns if pair and c.name not in pair]
    if pair is None or not others:
        return
    text = next(c for c in table.columns if c.name == pair[0])
    label = guess_label(others, text)
    number = _number(others, must_be_named=True)
    if number:
        yield TaskColumns("regress", pair, number)
    elif label:
        yield TaskColumns("classify", pair, label.name)


def _by_names(table: _Table) -> Iterator[TaskColumns]:
    """Yields the tasks whose columns have usual names."""
    if table.text and (number := _number(table.columns, must_be_named=True)):
        yield TaskColumns("regress", (table.text,), number)
    if texts := table.group(_SEARCH):
        yield TaskColumns("embed", texts)
    if pair := table.group(_REPLIES):
        yield TaskColumns("respond", pair[:1], pair[1])
    languages = [name for low, name in table.names.items() if low in _LANGUAGE_NAMES]
    if pair := table.group(_WRITING):
        yield TaskColumns("seq2seq", pair[:1], pair[1])
    elif len(languages) == 2:
        for source, target in permutations(languages):
            yield TaskColumns("seq2seq", (source,), target)


_LANGUAGE_NAMES = {*LANGUAGES, *(name.lower() for name in LANGUAGES.values())}


def _number(columns: Sequence[Column], *, must_be_named: bool) -> str | None:
    """Returns the column of numbers; with ``must_be_named``, one with fractions."""
    numbers = [column for column in columns if column.is_number and not column.is_id]
    named = [c for c in numbers if c.name.strip().lower() in _NUMBER_NAMES]
    if must_be_named:
        fitting = [c for c in named if any("." in value for value in c.counts)]
        return fitting[0].name if fitting else None
    fitting = named or numbers
    return fitting[0].name if len(fitting) == 1 else None


def _unnamed(task: str, columns: Sequence[Column]) -> list[TaskColumns]:
    """Returns the columns of a known task that have no usual names."""
    text, number = guess_text(columns), _number(columns, must_be_named=False)
    prose = [column.name for column in columns if column.is_prose]
    if task == "regress" and text is not None and number is not None:
        return [TaskColumns(task, (text.name,), number)]
    if len(prose) != 2:
        return []
    if task == "embed":
        return [TaskColumns(task, tuple(prose))]
    if task in ("respond", "seq2seq"):
        return [TaskColumns(task, (a,), b) for a, b in permutations(prose)]
    return []
