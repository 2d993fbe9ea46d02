"""Surveys data before a config exists: source, columns, texts and labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from textmill.models.errors import ConfigError, DataError, did_you_mean
from textmill.pipeline.survey.columns import (
    Column,
    guess_group,
    guess_id,
    guess_label,
    guess_text,
    label_columns,
    lacks_header,
    read_columns,
)
from textmill.pipeline.survey.sample import Sample, read_sample
from textmill.pipeline.survey.source import find_source
from textmill.pipeline.survey.statistics import (
    LabelStatistics,
    TextStatistics,
    label_statistics,
    text_statistics,
)


@dataclass(frozen=True)
class Table:
    """A sample of data, by row and by column."""

    source: dict[str, Any]
    """The keys of its source, without its columns; paths are absolute."""
    sample: Sample
    columns: list[Column]

    def with_text(self, name: str) -> Table:
        """Returns the table with the tokens of a column joined to texts."""
        rows = [
            {**row, name: " ".join(row[name])} if _is_tokens(row.get(name)) else row
            for row in self.sample.rows
        ]
        sample = replace(self.sample, rows=rows)
        return Table(self.source, sample, read_columns(rows))


def _is_tokens(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


@dataclass(frozen=True)
class TestData:
    """Rows of a file of their own, on which the model is measured."""

    source: dict[str, Any]
    """The keys of its source, without its columns."""
    num_rows: int
    """Rows that were read."""
    unknown_labels: tuple[str, ...]
    """Labels that the other rows lack."""
    num_shared: int
    """Its texts that the other rows have, too."""


@dataclass(frozen=True)
class Survey:
    """The source and the columns of data, and the statistics of a sample."""

    title: str
    """The data as the user named it: a file, pattern, URL or folder."""
    source: dict[str, Any]
    """The keys of its source, without its columns; paths are absolute."""
    sample: Sample
    """Its rows, as far as they were read."""
    columns: tuple[Column, ...]
    """The columns of the sample."""
    text: Column
    """The column of the texts."""
    label: Column | None
    """The column of the labels; None for a language model."""
    id: Column | None
    """The column that names the rows."""
    group: Column | None
    """The column whose values may not be in two splits."""
    texts: TextStatistics
    """Statistics of the texts."""
    labels: LabelStatistics | None
    """Statistics of the labels."""
    test: TestData | None = None
    """The test rows, if they have a file of their own."""

    @property
    def num_rows(self) -> int:
        """Number of all texts; where there are labels, of different labelled ones."""
        usable = self.labels.num_texts if self.labels else self.texts.num_texts
        total = self.sample.total or len(self.sample.rows)
        return total * usable // max(len(self.sample.rows), 1)

    @property
    def other_labels(self) -> list[Column]:
        """Further columns that could be labels."""
        fitting = label_columns(self.columns, self.text)
        taken = (self.label, self.group)
        return [c for c in fitting if all(c is not other for other in taken)]


def make_survey(
    data: str,
    *,
    text: str | None = None,
    label: str | None = None,
    others: Sequence[str] = (),
    test: str | None = None,
    title: str | None = None,
    table: Table | None = None,
) -> Survey:
    """Returns a survey of a bounded sample of data.

    Args:
        data: a file, pattern, URL or folder.
        text: the column of the texts; guessed if not given.
        label: the column of the labels; guessed if not given.
        others: further columns of texts, and of a target that is not a label; with
            them, none is guessed.
        test: a file of test rows with the same columns.
        title: the name of the data in messages; by default ``data``.
        table: the data, if they are read already.

    Raises:
        ConfigError: a file or a column does not exist.
        DataError: no row has a text.
    """
    table = table or read_table(data, text=text)
    table = table.with_text(text) if text else table
    source, sample, columns = table.source, table.sample, table.columns
    text_column = _named(columns, text, "--text") or guess_text(
        column for column in columns if column.name not in (label, *others)
    )
    if text_column is None or not text_column.num_values:
        reason = f"; {sample.first_bad}" if sample.first_bad else ""
        raise DataError(f"{data}: expected rows with texts, found none{reason}")
    for other in others:
        _named(columns, other, "--text or --label")
    label_column = _named(columns, label, "--label")
    if label_column is None and not others:
        label_column = guess_label(columns, text_column)
    taken = (text_column, label_column)
    survey = Survey(
        title=title or data,
        source=source,
        sample=sample,
        columns=tuple(columns),
        text=text_column,
        label=label_column,
        # The rows of a second file may be numbered in the same way.
        id=None if test else guess_id(columns, *taken),
        group=None if test else guess_group(columns, *taken),
        texts=text_statistics(sample.rows, *taken),
        labels=None
        if label_column is None
        else label_statistics(sample.rows, text_column, label_column),
    )
    return survey if test is None else replace(survey, test=_survey_test(test, survey))


def read_table(data: str, *, text: str | None = None) -> Table:
    """Reads a sample of the rows of data.

    Args:
        data: a file, pattern, URL or folder.
        text: the column of the texts, if it is given.

    Raises:
        ConfigError: a file does not exist, or has no known format.
    """
    from textmill.components.ingester.sources.config import SourceConfig

    options: dict[str, Any] = {"text": text} if text else {}
    source = find_source(data)
    sample = read_sample(SourceConfig(**source, **options))
    if sample.encoding and "encoding" not in source:
        source["encoding"] = sample.encoding
        sample = read_sample(SourceConfig(**source, **options))
    columns = read_columns(sample.rows)
    if set(source) & {"csv", "tsv"} and lacks_header(columns):
        source["columns"] = tuple(f"column_{i + 1}" for i in range(len(columns)))
        sample = read_sample(SourceConfig(**source, **options))
        columns = read_columns(sample.rows)
    return Table(source, sample, columns)


def _named(columns: Sequence[Column], name: str | None, option: str) -> Column | None:
    """Returns the column that an option names.

    Raises:
        ConfigError: there is none of this name.
    """
    if name is None:
        return None
    known = {column.name: column for column in columns}
    if name not in known:
        hint = did_you_mean(name, list(known)) or f"; it has {', '.join(known)}"
        raise ConfigError(f"{option} {name}: the data has no such column{hint}")
    return known[name]


def _survey_test(test: str, survey: Survey) -> TestData:
    """Returns the facts of a file of test rows.

    Raises:
        ConfigError: the file does not exist, or lacks a column.
    """
    from textmill.components.text.shingles import text_key

    if os.path.isdir(test) or "folder" in survey.source:
        expected = "expected a file of test rows, for data without splits of its own"
        raise ConfigError(f"--test {test}: {expected}")
    table = read_table(test, text=survey.text.name).with_text(survey.text.name)
    columns = table.columns
    text = _named(columns, survey.text.name, f"--test {test}: column")
    assert text is not None
    unknown: tuple[str, ...] = ()
    if survey.label and survey.labels:
        label = _named(columns, survey.label.name, f"--test {test}: column")
        assert label is not None
        unknown = tuple(sorted(set(label.counts) - set(survey.labels.counts)))
    known = {text_key(value) for value in survey.text.counts}
    num_shared = sum(text_key(value) in known for value in text.counts)
    return TestData(table.source, len(table.sample.rows), unknown, num_shared)
