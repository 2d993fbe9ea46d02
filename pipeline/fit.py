"""Makes a checked config for data, for ``textmill init``, ``fit`` and ``tm.fit``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from textmill.models.errors import ConfigError
from textmill.pipeline.config.load import LoadedConfig, parse_config
from textmill.pipeline.progress import visible
from textmill.pipeline.starter import Size, render_starter, starter_config
from textmill.pipeline.survey.remarks import check_learnable, describe, remarks
from textmill.pipeline.survey.survey import Survey, Table, make_survey, read_table
from textmill.pipeline.survey.task_columns import TaskColumns, guess_task
from textmill.pipeline.task_starter import check_columns


@dataclass(frozen=True)
class Start:
    """A config for data, and the sentences about the data."""

    survey: Survey
    """The data."""
    lines: list[str]
    """Sentences about the data, those about mistakes last."""
    text: str
    """The config as YAML, with comments."""
    loaded: LoadedConfig
    """The config, checked against the data."""

    def print_lines(self) -> None:
        """Prints the sentences on standard error."""
        for line in self.lines:
            print(f"textmill: {visible(line)}", file=sys.stderr)

    @property
    def stage(self) -> str:
        """The name of the only stage."""
        [stage] = self.loaded.config.stages
        return stage


def make_start(
    data: str,
    *,
    text: str | Sequence[str] | None = None,
    task: str | None = None,
    label: str | None = None,
    test: str | None = None,
    budget: str | None = None,
    size: Size | None = None,
    name: str | None = None,
    title: str | None = None,
    path: Path | None = None,
    overrides: Sequence[str] = (),
    must_classify: bool = True,
) -> Start:
    """Surveys data and makes a config for it.

    Args:
        data: a file, pattern, URL or folder.
        text: the column of the texts, guessed if not given; several of a task that
            takes them.
        task: the task, guessed if not given.
        label: the column of the labels, guessed if not given; of another task, that of
            its target.
        test: a file of test rows.
        budget: the time of the training, ``5m``; by default a number of epochs.
        size: the size of the model; by default from the number of rows.
        name: the name of the pipeline and its stage.
        title: the name of the data in messages; by default ``data``.
        path: the YAML file that the config is for, which paths become relative to.
        overrides: assignments ``a.b=v`` that replace or add values.
        must_classify: refuse data from which no classifier can be learned.

    Raises:
        ConfigError: a file, column or value does not exist or fit.
        DataError: nothing can be learned from the data.
    """
    from textmill.pipeline.config.data_checks import check_data

    _check_budget(budget)
    texts = [text] if isinstance(text, str) else list(text or ())
    table = read_table(data, text=texts[0] if texts else None)
    given = TaskColumns(task or "", tuple(texts), label)
    guess = _guess(table, given)
    chosen = _choose(guess)
    survey = make_survey(
        data,
        text=guess.texts[0] if guess.texts else None,
        label=None if chosen else guess.target,
        others=[*guess.texts[1:], *filter(None, [guess.target])] if chosen else (),
        test=test,
        title=title,
        table=table,
    )
    if must_classify and chosen is None:
        check_learnable(survey)
    folder = None if path is None else path.absolute().parent
    values = starter_config(
        survey, name=name, budget=budget, size=size, folder=folder, chosen=chosen
    )
    window = values["model"].get("sequence_length")
    lines = [*describe(survey, has_labels=chosen is None)]
    if chosen:
        names = map(repr, [*chosen.texts, *filter(None, [chosen.target])])
        other = "" if task else " (--task names another)"
        lines.append(f"task: {chosen.task}, columns {', '.join(names)}{other}")
    if window is None:
        lines.append(f"model: linear; {budget} is too short for an encoder, too")
    lines += [f"note: {remark}" for remark in remarks(survey, window=window)]
    written = render_starter(values, lines)
    loaded = parse_config(written, path or Path("fit"), overrides)
    check_data(loaded)
    if overrides:
        written = render_starter(loaded.raw, lines)
    return Start(survey, lines, written, loaded)


def _guess(table: Table, given: TaskColumns) -> TaskColumns:
    """Returns given columns, completed by a guess where one fits."""
    is_complete = given.task and given.texts and given.target
    guess = guess_task(
        table.sample.rows,
        table.columns,
        task=given.task or None,
        texts=given.texts,
        target=given.target,
    )
    return given if is_complete or guess is None else guess


def _choose(given: TaskColumns) -> TaskColumns | None:
    """Returns the task with its columns; None for one label of one text.

    Raises:
        ConfigError: the task is unknown, or a column is missing.
    """
    chosen = replace(given, task=given.task or "classify")
    if chosen.task == "classify" and len(chosen.texts) < 2:
        return None
    check_columns(chosen)
    return chosen


def _check_budget(budget: str | None) -> None:
    from textmill.models.training.config import parse_duration

    if budget is None:
        return
    try:
        parse_duration(budget)
    except ValueError as error:
        raise ConfigError(f"--budget: expected {error}") from None
