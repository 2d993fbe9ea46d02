"""``textmill predict``: predicts texts with a pushed model."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from textmill.components.artifacts import PushedVersion
from textmill.models.errors import ConfigError, did_you_mean
from textmill.pipeline.cli.options import DEFAULT_ROOT, RootOrUrl
from textmill.pipeline.remote.mirror import Mirror

_VERSION = re.compile(rf"pushed/([^/]+)/(\d+)/{re.escape(PushedVersion.MODEL)}")

Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Loads a SavedModel without a manifest of Textmill; its graph can read "
        "and write your files.",
    ),
]


def predict(
    target: Annotated[
        str,
        typer.Argument(
            metavar="STAGE",
            help="A pushed stage, or the folder of a SavedModel, with a slash.",
        ),
    ],
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT]...", help="Texts; from stdin if none is given."),
    ] = None,
    root: RootOrUrl = str(DEFAULT_ROOT),
    as_json: Annotated[
        bool, typer.Option("--json", help="Prints one JSON object per text.")
    ] = False,
    trust: Trust = False,
) -> None:
    """Predicts texts with a pushed model."""
    from textmill.pipeline.cli.display import render_answer

    mirror = Mirror(root)
    saved_model = find_model(target, mirror)
    inputs = read_texts(texts)
    from textmill.components.predictor.saved_model import (
        load_saved_model,
        predict_texts,
    )

    answers = predict_texts(load_saved_model(saved_model, trust=trust), inputs)
    for text, prediction in zip(inputs, answers, strict=True):
        if as_json:
            print(json.dumps({"text": text, **prediction}, ensure_ascii=False))
        else:
            print(render_answer(text, prediction, is_only_one=len(inputs) == 1))


def find_model(target: str, mirror: Mirror) -> Path:
    """Returns the folder of a SavedModel: a stage's newest version, or the given one.

    A name without a slash is a stage's, never a folder of the working directory.

    Raises:
        ConfigError: neither exists.
    """
    stages = _newest(mirror)
    if target in stages:
        folder = f"pushed/{target}/{stages[target]}"
        mirror.fetch(folder)
        return mirror.path / folder
    if "/" in target:
        if (Path(target) / PushedVersion.MODEL).is_file():
            return Path(target)
        if versions := PushedVersion.all(Path(target)):
            return versions[0]
    known = "a pushed stage"
    hint = f"; nothing was pushed below {mirror.root}: run a pipeline first"
    if stages:
        known += f" ({', '.join(sorted(stages))})"
        hint = did_you_mean(target, sorted(stages))
    raise ConfigError(
        f"predict: expected {known} or the folder of a SavedModel, got {target!r}{hint}"
    )


def _newest(mirror: Mirror) -> dict[str, int]:
    """Returns the newest version of every pushed stage."""
    names = mirror.sizes("pushed")
    if not mirror.is_remote:
        models = mirror.path.glob(f"pushed/*/*/{PushedVersion.MODEL}")
        names = {path.relative_to(mirror.path).as_posix(): 0 for path in models}
    newest: dict[str, int] = {}
    for name in names:
        if match := _VERSION.fullmatch(name):
            newest[match[1]] = max(int(match[2]), newest.get(match[1], 0))
    return newest


def read_texts(arguments: Sequence[str] | None) -> list[str]:
    """Returns the texts of the command line, or else the lines of stdin.

    Bytes that are not UTF-8 become U+FFFD.
    """
    if arguments:
        raw = [argument.encode(errors="surrogateescape") for argument in arguments]
    else:
        if sys.stdin.isatty():
            print("textmill: one text per line, then Ctrl-D", file=sys.stderr)
        raw = [line.rstrip(b"\r\n") for line in sys.stdin.buffer]
    return [text.decode(errors="replace") for text in raw]
