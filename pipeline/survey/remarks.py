"""Sentences about a survey: its columns, its defects, and refusals to learn from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textmill.models.errors import DataError
from textmill.pipeline.survey.columns import LANGUAGES
from textmill.pipeline.survey.statistics import LabelStatistics
from textmill.pipeline.survey.survey import Survey

FEW_ROWS = 500
"""Labelled rows below which intervals are wide."""
RARE_LABEL = 10
"""Rows below which a label can hardly be learned, or measured."""
LEAST_ROWS = 20
"""Labelled rows that a classifier needs at least, to be trained and measured."""
_GIANT = 0.9
_MANY_DUPLICATES = 0.05
_MANY_LONGER = 0.05
_SHOWN = 4
_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def describe(survey: Survey, *, has_labels: bool = True) -> Iterator[str]:
    """Yields lines about the data: its rows, texts, labels, ids and groups.

    Args:
        survey: the data.
        has_labels: whether its task learns one label of a text.
    """
    yield f"data: {survey.title}: {', '.join([survey.sample.size, *_format(survey)])}"
    texts = survey.texts
    script = f"{texts.script.capitalize()} letters" if texts.script else "no letters"
    language = LANGUAGES.get(texts.language, script)
    yield (
        f"text: column {survey.text.name!r}, {texts.num_characters:.0f} characters on "
        f"average, {language}"
    )
    if survey.label is None and has_labels:
        yield "label: none; no column has a few values that repeat (--label names one)"
    elif survey.label is not None:
        yield f"label: column {survey.label.name!r}, {survey.label.describe_labels()}"
        if names := [repr(column.name) for column in survey.other_labels]:
            yield f"not the label: {', '.join(names)} (--label names another column)"
    if survey.id:
        yield f"id: column {survey.id.name!r}"
    if survey.group:
        num_groups = len(survey.group.counts)
        yield (
            f"group: column {survey.group.name!r}, {num_groups:,} values: rows of one "
            "are never in two splits (split.by)"
        )
    if survey.test:
        yield f"test: {survey.test.num_rows:,} rows of their own"


def _format(survey: Survey) -> Iterator[str]:
    source = survey.source
    if delimiter := source.get("delimiter"):
        yield f"delimited by {_DELIMITERS[delimiter]}"
    if "columns" in source:
        yield "without a header"
    if encoding := source.get("encoding"):
        yield f"encoded as {encoding}"
    if document := source.get("document"):
        yield f"a text per {document}"


def remarks(survey: Survey, *, window: int | None) -> Iterator[str]:
    """Yields a sentence for everything in the data that looks wrong.

    Args:
        survey: the survey.
        window: tokens that the encoder reads of a text; None without an encoder.
    """
    sample, texts = survey.sample, survey.texts
    if sample.num_bad:
        are = "record is" if sample.num_bad == 1 else "records are"
        yield f"{sample.num_bad:,} {are} bad; the first: {sample.first_bad}"
    if texts.num_empty:
        yield f"{_rows(texts.num_empty)} no text, left out"
    if survey.labels:
        yield from _label_remarks(survey.labels, survey)
    if texts.num_conflicts:
        texts_have = "text has" if texts.num_conflicts == 1 else "texts have"
        yield f"{texts.num_conflicts:,} {texts_have} different labels in different rows"
    if texts.num_duplicates > _MANY_DUPLICATES * texts.num_texts:
        share = texts.num_duplicates / texts.num_texts
        yield f"{share:.0%} of the texts occur in an earlier row, and are left out"
    share = texts.share_longer(window - 2) if window else 0.0
    if share > _MANY_LONGER:
        reader = "; the linear model reads all of it" if survey.label else ""
        yield (
            f"{share:.0%} of the texts are longer than {window} tokens "
            f"(model.sequence_length), of which the encoder reads the beginning{reader}"
        )
    if survey.test:
        yield from _test_remarks(survey)
    elif survey.labels and LEAST_ROWS <= survey.num_rows < FEW_ROWS:
        yield (
            f"{survey.num_rows:,} labelled texts are few: expect wide intervals; "
            "folds: 5 in the stage measures on all of them"
        )


def _label_remarks(labels: LabelStatistics, survey: Survey) -> Iterator[str]:
    if labels.num_missing:
        yield f"{_rows(labels.num_missing)} no label, left out"
    if not labels.counts:
        return
    name, share = labels.majority
    if labels.is_nearly_unique:
        yield (
            f"{len(labels.counts):,} labels in {labels.num_rows:,} rows: nearly every "
            "row has one of its own, as of an id"
        )
        return
    if labels.is_continuous:
        yield "the labels are numbers with fractions; each is learned as a name"
    if share >= _GIANT and len(labels.counts) > 1:
        yield (
            f"{share:.1%} of the rows have the label {name!r}: judge by macro_f1, not "
            "by accuracy"
        )
    if rare := labels.rarer_than(RARE_LABEL):
        yield f"fewer than {RARE_LABEL} rows have {_listing(rare)}"
    if labels.leaks:
        yield (
            f"{_listing(labels.leaks)}: the name of the label is in its texts; a model "
            "that reads it there learns nothing else"
        )


def _test_remarks(survey: Survey) -> Iterator[str]:
    assert survey.test is not None
    if survey.test.unknown_labels:
        yield (
            f"the test rows alone have {_listing(survey.test.unknown_labels)}, and are "
            "left out there"
        )
    if survey.test.num_shared:
        count = survey.test.num_shared
        texts_are = "1 test text is" if count == 1 else f"{count:,} test texts are"
        yield f"{texts_are} in the data, too, and left out there"


def check_learnable(survey: Survey) -> None:
    """Refuses data from which no classifier can be learned.

    Raises:
        DataError: it has no labels, one alone, one for every row, or too few rows.
    """
    labels = survey.labels
    if survey.label is None or labels is None:
        names = ", ".join(repr(column.name) for column in survey.columns)
        raise DataError(
            f"{survey.title}: expected a column of labels, found none among {names}; "
            "--label names it, and `textmill init` writes a config for a language model"
        )
    where = f"{survey.title}: label {survey.label.name!r}"
    if not labels.counts:
        raise DataError(f"{where}: expected labels, got none in any row with a text")
    if len(labels.counts) == 1:
        [name] = labels.counts
        raise DataError(
            f"{where}: expected two labels or more, got {name!r} in every row; --label "
            "names another column"
        )
    if labels.is_nearly_unique:
        kind = "numbers, as of a regression" if labels.is_continuous else "as of an id"
        raise DataError(
            f"{where}: expected labels that repeat, got {len(labels.counts):,} "
            f"different ones in {labels.num_rows:,} rows, {kind}; --label names "
            "another column"
        )
    if labels.num_texts < LEAST_ROWS:
        raise DataError(
            f"{where}: expected {LEAST_ROWS} different texts with a label or more, to "
            f"train a model and to measure it, got {labels.num_texts}; add rows"
        )


def _rows(count: int) -> str:
    return "1 row has" if count == 1 else f"{count:,} rows have"


def _listing(names: Sequence[str]) -> str:
    shown = ", ".join(f"{name!r:.60}" for name in names[:_SHOWN])
    more = len(names) - _SHOWN
    return f"{shown} and {more:,} more labels" if more > 0 else shown
