"""``textmill init``: writes a first config for a file of texts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textmill.models.errors import ConfigError, did_you_mean
from textmill.pipeline.cli.options import writing
from textmill.pipeline.text_files import file_source, fitting_encoding, read_rows, stem

if TYPE_CHECKING:
    from textmill.pipeline.columns import Column

_NUM_ROWS = 2000
"""Rows at the start of the file that the columns are guessed from."""
_BUDGET = "5m"
_COMMENTS = {
    "datasets": "where the texts come from, and how they are split",
    "vocabulary": "the tokens, learned from the texts",
    "model": "a small model, for some minutes of training",
    "stages": "the trained models; with epochs or steps for budget, results repeat "
    "bit by bit",
}


def init(
    data: Annotated[
        Path,
        typer.Argument(
            help="A .csv, .tsv, .jsonl, .json, .parquet or .txt file.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The YAML file; by default, named alike."),
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="The column of the texts; guessed if not given.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="The column of the labels; guessed if not given.")
    ] = None,
) -> None:
    """Writes a first config for your own file, with guessed columns.

    With a column of labels it is a classifier, without one a language model.
    """
    from textmill.pipeline.columns import label_columns, read_columns
    from textmill.pipeline.config.load import parse_config

    encoding = fitting_encoding(data)
    options = {} if encoding is None else {"encoding": encoding}
    if text is not None:
        options["text"] = text
    columns = read_columns(islice(read_rows(data, **options), _NUM_ROWS))
    config = output or Path(f"{stem(data.name)}.yaml")
    if config.exists():
        raise ConfigError(f"{config}: exists already; -o names another file")
    text_column = _named(columns, text, "--text") or _guessed_text(columns, data)
    label_column = _named(columns, label, "--label") or _guessed_label(
        columns, text_column
    )
    values = _config(data, config, text_column, label_column, encoding)
    others = [] if label else label_columns(columns, text_column)
    head = list(_head(config, values, text_column, label_column, others))
    written = _render(head, values)
    parse_config(written, config)
    with writing(config):
        config.write_text(written, encoding="utf-8")
    for line in head:
        print(f"textmill: {line}", file=sys.stderr)
    print(config)


def _named(columns: list[Column], name: str | None, option: str) -> Column | None:
    """Returns the column that an option names.

    Raises:
        ConfigError: there is none of this name.
    """
    if name is None:
        return None
    known = {column.name: column for column in columns}
    if name not in known:
        hint = did_you_mean(name, list(known)) or f"; it has {', '.join(known)}"
        raise ConfigError(f"{option} {name}: the file has no such column{hint}")
    return known[name]


def _guessed_text(columns: list[Column], data: Path) -> Column:
    from textmill.pipeline.columns import guess_text

    if (column := guess_text(columns)) is None:
        raise ConfigError(f"{data}: expected rows with texts, found none")
    return column


def _guessed_label(columns: list[Column], text: Column) -> Column | None:
    from textmill.pipeline.columns import guess_label

    return guess_label(columns, text)


def _config(
    data: Path, config: Path, text: Column, label: Column | None, encoding: str | None
) -> dict[str, Any]:
    """Returns the values of the config."""
    from textmill.pipeline.starter import starter_config, to_name

    source = file_source(os.path.relpath(data, config.absolute().parent))
    if encoding is not None:
        source["encoding"] = encoding
    name = to_name(label.name if label else stem(data.name))
    values = starter_config(
        source,
        name=name,
        text=text.name,
        label=label.name if label else "",
        budget=_BUDGET,
    )
    values["name"] = to_name(stem(data.name))
    if label is None:
        del values["datasets"]["texts"]["source"]["label"]
        values["stages"][name]["task"] = "masked_lm"
    return values


def _head(
    config: Path,
    values: Mapping[str, Any],
    text: Column,
    label: Column | None,
    others: list[Column],
) -> Iterator[str]:
    """Yields the lines about the guessed columns, and the next commands."""
    [stage] = values["stages"]
    yield f"text: column {text.name!r}, {text.num_characters:.0f} characters on average"
    if label is None:
        yield "label: none; no column has a few values that repeat (--label names one)"
    else:
        yield f"label: column {label.name!r}, {label.describe_labels()}"
        if names := [repr(column.name) for column in others if column is not label]:
            yield f"not the label: {', '.join(names)} (--label names another column)"
    yield f"next: textmill run {config}"
    yield f'then: textmill predict {stage} "your text"'


def _render(head: list[str], values: Mapping[str, Any]) -> str:
    from textmill.pipeline.starter import render_yaml

    lines = [f"# {line}" for line in head]
    for line in render_yaml(values).splitlines():
        if comment := _COMMENTS.get(line.partition(":")[0]):
            lines += ["", f"# {comment}"]
        lines.append(line)
    return "\n".join(lines) + "\n"
