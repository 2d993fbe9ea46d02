"""``textmill compile``: writes the file that a platform runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from textmill.models.errors import ConfigError
from textmill.pipeline.cli.options import (
    Config,
    Overrides,
    PlatformRoot,
    load_for_platform,
    writing,
)


def compile_file(
    config: Config,
    root: PlatformRoot,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file to write; - is stdout.")
    ],
    to: Annotated[
        Literal["kubeflow", "vertex", "tfjob"],
        typer.Option(help="The platform."),
    ],
    overrides: Overrides = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NODE", help="tfjob: only this node; may be repeated."),
    ] = None,
) -> None:
    """Writes the file that a platform runs; the same config gives the same bytes."""
    from textmill.pipeline.platforms.compile import compile_pipeline
    from textmill.pipeline.publish import write_atomically

    loaded, pipeline = load_for_platform(config, overrides)
    if only:
        if to != "tfjob":
            raise ConfigError("--only: works with --to tfjob only")
        pipeline = pipeline.select(only=only)
    data = compile_pipeline(loaded, pipeline, to=to, root=root)
    if str(output) == "-":
        sys.stdout.write(data.decode())
        return
    with writing(output):
        write_atomically(output, data)
    print(f"{output}: {len(pipeline.nodes)} nodes, {len(data):,} bytes")
