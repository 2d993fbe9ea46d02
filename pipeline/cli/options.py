"""The arguments, options and output that several commands share."""

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
AsJson = Annotated[bool, typer.Option("--json", help="Prints JSON.")]


def print_json(value: Any) -> None:
    """Prints a value for programs and people."""
    print(json.dumps(value, indent=1, ensure_ascii=False))
