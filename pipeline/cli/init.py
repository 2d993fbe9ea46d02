"""``textmill init``: looks at data, and writes a first config for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from textmill.models.errors import ConfigError
from textmill.pipeline.cli.options import writing
from textmill.pipeline.starter import Size, data_name

Data = Annotated[
    str,
    typer.Argument(
        help="A csv, tsv, jsonl, json, parquet, conll or txt file, or a folder.",
        show_default=False,
    ),
]
Text = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        help="The column of the texts, guessed if not given; repeated for a task of "
        "pairs.",
    ),
]
Label = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="The column of the labels, guessed if not given; for another task, that "
        "of its target.",
    ),
]
Task = Annotated[
    str | None,
    typer.Option(
        help="classify, multilabel, regress, tag, embed, answer, respond or seq2seq; "
        "guessed if not given.",
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        help="The time of the training (90s, 10m, 1h); else a number of epochs."
    ),
]
ModelSize = Annotated[
    Size | None, typer.Option(help="The size of the model; else from the rows.")
]


def init(
    data: Data,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The YAML file; by default, named alike."),
    ] = None,
    text: Text = None,
    label: Label = None,
    task: Task = None,
    budget: Budget = None,
    size: ModelSize = None,
) -> None:
    """Looks at your data and writes a first config for it.

    Finds the task, the columns of texts, labels, ids and groups, encoding, delimiter,
    language and lengths, and says what looks wrong. Texts alone are for a language
    model.
    """
    from textmill.pipeline.fit import make_start

    config = output or Path(f"{data_name(data)}.yaml")
    if config.exists():
        raise ConfigError(f"{config}: exists already; -o names another file")
    start = make_start(
        data,
        text=text,
        task=task,
        label=label,
        budget=budget,
        size=size,
        path=config,
        must_classify=False,
    )
    with writing(config):
        config.write_text(start.text, encoding="utf-8")
    start.print_lines()
    next_steps = f"run {config}", f'predict {start.stage} "your text"'
    for word, command in zip(("next", "then"), next_steps, strict=True):
        print(f"textmill: {word}: textmill {command}", file=sys.stderr)
    print(config)
