"""``textmill serve``: answers requests over HTTP with pushed models."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textmill.components.artifacts import PushedVersion
from textmill.components.provenance import KEYS
from textmill.components.signatures import PUBLIC_SUFFIX
from textmill.components.versions import POINTER, current_version
from textmill.models.errors import ConfigError
from textmill.pipeline.cli.options import DEFAULT_ROOT, RootOrUrl
from textmill.pipeline.cli.predict import Trust, find_model
from textmill.pipeline.remote.mirror import Mirror

if TYPE_CHECKING:
    from textmill.components.server import ModelSource

_TOKENS = "TEXTMILL_SERVE_TOKENS"
_TARGET = re.compile(
    r"(?:(?P<name>[\w.-]+)=)?(?P<place>[^@]+)(?:@(?:(?P<label>[\w.-]+)=)?(?P<version>\d+))?"
)

Targets = Annotated[
    list[str],
    typer.Argument(
        metavar="STAGE|PATH...",
        help="Pushed stages, or folders with a slash: of a SavedModel, or of its "
        "versions. NAME=PATH names the model; STAGE@3 and STAGE@stable=3 keep a "
        "version, with a label, where a stage alone follows its pushes.",
        show_default=False,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help=f"Bearer tokens, one a line; also from the variable {_TOKENS}.",
    ),
]
Certificate = Annotated[
    Path | None,
    typer.Option("--tls-cert", metavar="FILE", help="PEM certificate, for HTTPS."),
]
Key = Annotated[
    Path | None, typer.Option("--tls-key", metavar="FILE", help="Its PEM key.")
]


def serve(
    targets: Targets,
    root: RootOrUrl = str(DEFAULT_ROOT),
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535)] = 8501,
    token_file: TokenFile = None,
    tls_certificate: Certificate = None,
    tls_key: Key = None,
    threads: Annotated[
        int,
        typer.Option(
            min=0, max=1024, help="Rows answered at the same time; 0: processors."
        ),
    ] = 0,
    max_queue: Annotated[
        int, typer.Option(min=1, help="Waiting requests of a model; then 429.")
    ] = 256,
    request_seconds: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help="Then 504.")
    ] = 60.0,
    poll_seconds: Annotated[
        float, typer.Option("--poll", metavar="SECONDS", help="Looks for pushes.")
    ] = 1.0,
    log_requests: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Keeps sampled requests, personal data masked."
        ),
    ] = None,
    sample: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the requests to keep.")
    ] = 0.01,
    trust: Trust = False,
) -> None:
    """Serves models over HTTP: TensorFlow Serving's REST API, and a page at /.

    A newer push takes over without a restart. Logs are JSON on stderr.
    """
    from textmill.components import server

    try:
        config = server.ServerConfig(
            host=host,
            port=port,
            trust=trust,
            tokens=_tokens(token_file),
            tls_certificate=tls_certificate,
            tls_key=tls_key,
            num_threads=threads,
            max_queue=max_queue,
            request_seconds=request_seconds,
            poll_seconds=poll_seconds,
            log_requests=log_requests,
            sample=sample,
        )
    except ValueError as error:
        raise ConfigError(f"serve: expected {error}") from None
    mirror = Mirror(root)
    server.serve([_source(target, mirror) for target in targets], config)


def _tokens(file: Path | None) -> tuple[str, ...]:
    """Returns the bearer tokens of a file and of the environment.

    Raises:
        ConfigError: the file has none, or cannot be read.
    """
    text = os.environ.get(_TOKENS, "")
    if file is not None:
        try:
            content = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--token-file {file}: {error}") from None
        if not content.split():
            raise ConfigError(f"--token-file {file}: expected a token, got none")
        text += "\n" + content
    return tuple(text.split())


def _source(target: str, mirror: Mirror) -> ModelSource:
    """Returns the source of a target of the command line.

    Raises:
        ConfigError: it names no model.
    """
    from textmill.components.server import CURRENT, ModelSource

    match = _TARGET.fullmatch(target)
    if match is None:
        raise ConfigError(
            f"serve: expected STAGE, STAGE@VERSION or NAME=PATH, got {target!r}"
        )
    place, version = match["place"], match["version"]
    find: Callable[[], Path | None] = partial(_current, place, mirror)
    label: str | None = CURRENT
    if version is not None:
        label = match["label"]
        find = partial(_fixed, place, version, mirror)
    name = match["name"] or _name(place)
    find()
    return ModelSource(name, find, label)


def _name(place: str) -> str:
    """Returns the name of a stage, or of a folder of versions."""
    path = Path(place).absolute()
    return path.parent.name if path.name.isdecimal() else path.name


def _current(place: str, mirror: Mirror) -> Path:
    """Returns the current version of a stage, or of a folder."""
    if "/" in place:
        folder = Path(place)
    elif mirror.is_remote:
        _forget_pointers(mirror)
        mirror.fetch(KEYS, wanted=lambda name: name.endswith(PUBLIC_SUFFIX))
        return find_model(place, mirror, command="serve")
    else:
        folder = mirror.path / "pushed" / place
    if "/" in place and (folder / PushedVersion.MODEL).is_file():
        return folder
    return current_version(folder) or find_model(place, mirror, command="serve")


def _forget_pointers(mirror: Mirror) -> None:
    """Removes downloaded pointers: a newer one of the same size looks unchanged."""
    for pointer in mirror.path.glob(f"pushed/*/{POINTER}"):
        pointer.unlink()


def _fixed(place: str, version: str, mirror: Mirror) -> Path:
    """Returns one version of a stage, or of a folder."""
    if "/" in place:
        folder = Path(place) / version
    else:
        folder = mirror.path / "pushed" / place / version
        mirror.fetch(f"pushed/{place}/{version}")
    if not (folder / PushedVersion.MODEL).is_file():
        raise ConfigError(f"serve: {folder}: expected a pushed version, got none")
    return folder
