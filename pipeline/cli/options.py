"""The arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=V", help="Overrides a value; may be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Prints JSON.")]
