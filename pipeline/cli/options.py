"""Arguments, options and helpers that several commands share."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from textmill.models.errors import ConfigError

DEFAULT_ROOT = Path("textmill_root")
REFUSED_BY_MACHINE = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
}
"""Full, over quota, over the limit of a file's size; forbidden; read-only."""

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


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Context manager: turns an output path that cannot be written into an error.

    Raises:
        ConfigError: its folder does not exist, or no file can be made there.
    """
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"{path}: expected an existing folder, found none")
    try:
        yield
    except OSError as error:
        if error.errno in REFUSED_BY_MACHINE:
            raise
        reason = error.strerror or error
        raise ConfigError(f"{path}: {reason}; name another place") from None


def is_default_root(root: Path) -> bool:
    """Returns True if commands find a root without ``--root``."""
    return root == Path(os.environ.get("TEXTMILL_ROOT") or DEFAULT_ROOT)


def print_json(value: Any) -> None:
    """Prints a value as indented JSON."""
    print(json.dumps(value, indent=1, ensure_ascii=False))


def load_for_platform(config: Path, overrides: list[str] | None) -> tuple[Any, Any]:
    """Returns a config and its pipeline, without reading variables of this machine.

    Warns about paths that exist on this machine alone.
    """
    from textmill.pipeline.config.load import load_config
    from textmill.pipeline.create_pipeline import create_pipeline
    from textmill.pipeline.platforms.compile import local_paths

    loaded = load_config(config, overrides or (), with_environment=False)
    for key, path in local_paths(loaded).items():
        print(
            f"textmill: warning: {loaded.positions[key]} {key}: {path!r} is a path of "
            "this machine; steps find it only if their image has it: use gs:// or "
            "s3://, or a mounted volume",
            file=sys.stderr,
        )
    # The compiled file has no root: containers wire the pipeline with their own.
    return loaded, create_pipeline(loaded, Path("/root-of-the-run"))
