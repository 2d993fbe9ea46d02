"""``textmill fit``: data in, a trained and measured model out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textmill.models.errors import ConfigError
from textmill.pipeline.cli.init import Budget, Data, Label, ModelSize, Task, Text
from textmill.pipeline.cli.options import DEFAULT_ROOT, AsJson, Overrides, Root, writing
from textmill.pipeline.cli.run import run_pipeline

if TYPE_CHECKING:
    from textmill.pipeline.fit import Start


def fit(
    data: Data,
    label: Label = None,
    text: Text = None,
    task: Task = None,
    test: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Test rows; else a part of the data."),
    ] = None,
    budget: Budget = None,
    size: ModelSize = None,
    root: Root = DEFAULT_ROOT,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Also writes the config as a YAML file."),
    ] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Trains a model on your data: ``init`` and ``run`` in one.

    The same command finds its results cached, or resumes after Ctrl-C.
    """
    from textmill.pipeline.create_pipeline import create_pipeline
    from textmill.pipeline.fit import make_start

    start = make_start(
        data,
        text=text,
        task=task,
        label=label,
        test=test,
        budget=budget,
        size=size,
        path=output,
        overrides=overrides or (),
    )
    if output is not None:
        _write(start, output)
    start.print_lines()
    pipeline = create_pipeline(start.loaded, root)
    run_pipeline(start.loaded, pipeline, root, config_text=start.text, as_json=as_json)


def _write(start: Start, config: Path) -> None:
    """Writes the config, unless the file has it already.

    Raises:
        ConfigError: the file has something else.
    """
    if config.is_file() and config.read_bytes() == start.text.encode():
        return
    if config.exists():
        raise ConfigError(
            f"{config}: exists already, with another content; `textmill run {config}` "
            "runs it, -o names another file"
        )
    with writing(config):
        config.write_text(start.text, encoding="utf-8")
