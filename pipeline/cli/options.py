"""Arguments, options and helpers that several commands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

DEFAULT_ROOT = Path("textmill_root")

Config = Annotated[Path, typer.Argument(help="The YAML file.", show_default=False)]
Root = Annotated[
    Path,
    typer.Option(
        help="The folder of artifacts, runs and pushed models.",
        envvar="TEXTMILL_ROOT",
    ),
]
RootOrUrl = Annotated[
    str,
    typer.Option(
        help="The folder, or gs:// or s3:// URL, of artifacts, runs and pushed models.",
        envvar="TEXTMILL_ROOT",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=V", help="Overrides a value; may be repeated."),
]
PlatformRoot = Annotated[
    str,
    typer.Option(
        "--root",
        help="The root of all steps: gs://, s3:// or a mounted path.",
        envvar="TEXTMILL_ROOT",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Prints JSON.")]


def print_json(value: Any) -> None:
    """Prints a value as indented JSON."""
    print(json.dumps(value, indent=1, ensure_ascii=False))


def load_for_platform(config: Path, overrides: list[str] | None) -> tuple[Any, Any]:
    """Returns a config and its pipeline, without reading variables of this machine."""
    from textmill.pipeline.config.load import load_config
    from textmill.pipeline.create_pipeline import create_pipeline

    loaded = load_config(config, overrides or (), with_environment=False)
    # The compiled file has no root: containers wire the pipeline with their own.
    return loaded, create_pipeline(loaded, Path("/root-of-the-run"))
