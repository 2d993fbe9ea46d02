"""``textmill predict``: predicts texts with a pushed model."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from textmill.components.artifacts import PushedVersion
from textmill.components.predictor.answers import top
from textmill.components.versions import POINTER, current_version, read_pointer
from textmill.models.errors import ConfigError, did_you_mean
from textmill.pipeline.cli.options import DEFAULT_ROOT, RootOrUrl
from textmill.pipeline.cli.predict_bulk import (
    BeamOptions,
    Format,
    is_folder,
    predict_to_folder,
    text_columns,
)
from textmill.pipeline.cli.predict_output import (
    Writer,
    batches,
    file_writer,
    to_json_line,
)
from textmill.pipeline.remote.mirror import Mirror
from textmill.pipeline.text_files import fitting_encoding, read_text_rows, split_line

_VERSION = re.compile(rf"pushed/([^/]+)/(\d+)/{re.escape(PushedVersion.MODEL)}")

_BATCH = 512
"""Texts that are read before the first of them is answered."""

Stage = Annotated[
    str,
    typer.Argument(
        metavar="STAGE",
        help="A pushed stage, or the folder of a SavedModel, with a slash.",
    ),
]
Texts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TEXT]...",
        help="Texts; if none is given, lines of stdin, or a prompt on a terminal. A "
        "model of pairs takes two at a time, or lines with a tab between them.",
    ),
]
Input = Annotated[
    list[str] | None,
    typer.Option(
        "-i",
        "--input",
        metavar="FILE",
        help="A .csv, .tsv, .jsonl, .json, .parquet or .txt file; - reads lines of "
        "stdin. For an output folder also a pattern, and repeated.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="A .jsonl or .csv file for the predictions, with the input's columns; or "
        "a folder, by Beam, where a repeated call goes on.",
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--text",
        metavar="COLUMN",
        help="The input's column of texts, by default text; repeated for a model of "
        "pairs, by default text and text_2.",
    ),
]
Top = Annotated[
    int | None,
    typer.Option(
        "--top",
        metavar="N",
        min=1,
        max=1_000_000,
        help="Shows the N most probable labels.",
        show_default=False,
    ),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Loads a SavedModel without a manifest of Textmill; its graph can read "
        "and write your files.",
    ),
]


def predict(
    target: Stage,
    texts: Texts = None,
    root: RootOrUrl = str(DEFAULT_ROOT),
    inputs: Input = None,
    output: Output = None,
    columns: Columns = None,
    number: Top = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Prints one JSON object per text.")
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Adds the n-grams that speak for and against the label."
        ),
    ] = False,
    trust: Trust = False,
    format: Format = None,
    beam: BeamOptions = None,
) -> None:
    """Predicts texts with a pushed model: given ones, a file's, or typed ones.

    The fields of an answer have one order: label, probabilities (highest first), then
    others by name.
    """
    source = _only(inputs) if not is_folder(output) else None
    _check_options(texts, source, output, number)
    mirror = Mirror(root)
    folder = find_model(target, mirror)
    report_newer_version(target, mirror)
    is_prompt = not texts and source is None and sys.stdin.isatty()
    from textmill.components.predictor.saved_model import (
        load_saved_model,
        predict_texts,
    )

    if output is not None and is_folder(output):
        predict_to_folder(
            folder,
            inputs or (),
            output,
            columns=columns,
            format=format,
            beam=beam,
            top=number,
            explain=explain,
            trust=trust,
        )
        return
    model = load_saved_model(folder, trust=trust)
    columns = text_columns(columns, model.num_texts)
    rows = _prompt(columns) if is_prompt else _rows(texts, source, columns)
    ask = partial(predict_texts, model, explain=explain)
    size = 1 if is_prompt else _BATCH
    if output is not None:
        with file_writer(output) as write:
            num_texts = _predict(ask, rows, columns, number, write, size=size)
        print(f"textmill: {output}: {num_texts:,} predictions", file=sys.stderr)
        return
    is_only_one = is_prompt or len(texts or ()) == model.num_texts
    as_text = partial(_print_answer, columns, is_only_one)
    write = _print_json if as_json or source is not None else as_text
    _predict(ask, rows, columns, number, write, size=size)


def _only(inputs: Sequence[str] | None) -> str | None:
    """Returns the input of a call that does not write a folder.

    Raises:
        ConfigError: several are given.
    """
    if inputs and len(inputs) > 1:
        raise ConfigError("--input: several need a folder as --output, got none")
    return inputs[0] if inputs else None


def _check_options(
    texts: Sequence[str] | None,
    source: str | None,
    output: Path | None,
    number: int | None,
) -> None:
    if source not in (None, "-") and not Path(str(source)).is_file():
        raise ConfigError(f"--input {source}: expected a file, found none")
    if texts and source:
        raise ConfigError("predict: expected texts or --input, got both")
    if number is not None and output is not None and output.suffix == ".csv":
        raise ConfigError(
            "--top: expected a .jsonl file as --output, got .csv, which has a column "
            "for every label"
        )


def _predict(
    ask: Callable[[list[str | list[str]]], list[dict[str, Any]]],
    rows: Iterable[dict[str, Any]],
    columns: Sequence[str],
    number: int | None,
    write: Writer,
    *,
    size: int,
) -> int:
    """Answers rows in batches, and returns their number."""
    num_texts = 0
    for batch in batches(rows, size):
        texts = [[row[column] for column in columns] for row in batch]
        answers = ask([text[0] if len(text) == 1 else text for text in texts])
        for row, answer in zip(batch, answers, strict=True):
            write(row, top(answer, number))
        num_texts += len(batch)
    return num_texts


def _print_json(row: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    print(to_json_line(row, answer))


def _print_answer(
    columns: Sequence[str],
    is_only_one: bool,
    row: Mapping[str, Any],
    answer: Mapping[str, Any],
) -> None:
    from textmill.pipeline.cli.display import render_answer

    text = "\n> ".join(row[column] for column in columns)
    print(render_answer(text, answer, is_only_one=is_only_one))


def _rows(
    texts: Sequence[str] | None, source: str | None, columns: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yields the rows to predict, each with a text in every column."""
    if source is None or source == "-":
        yield from _typed_rows(texts, columns)
        return
    path = Path(source)
    if (encoding := fitting_encoding(path)) is not None:
        print(f"textmill: {source}: read as {encoding}", file=sys.stderr)
    yield from read_text_rows(path, columns, encoding=encoding)


def _typed_rows(
    texts: Sequence[str] | None, columns: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yields the rows of the command line's texts, or of the lines of stdin."""
    given, size = read_texts(texts), len(columns)
    if not texts:
        for number, line in enumerate(given, 1):
            yield split_line(line, columns, f"stdin, line {number}")
        return
    if len(given) % size:
        names = " and ".join(columns)
        raise ConfigError(
            f"predict: expected {size} texts ({names}) for each answer, got "
            f"{len(given)} in all"
        )
    for start in range(0, len(given), size):
        yield dict(zip(columns, given[start : start + size], strict=True))


def _prompt(columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yields the texts that a user types, until Ctrl-D or Ctrl-C."""
    print("textmill: type a text, then Enter; Ctrl-D ends", file=sys.stderr)
    with suppress(ImportError):
        import readline  # noqa: F401  (makes input() editable)
    while True:
        try:
            texts = [input("> ") for _ in columns]
        except (EOFError, KeyboardInterrupt):
            print()
            return
        if all(text.strip() for text in texts):
            yield dict(zip(columns, texts, strict=True))


def find_model(target: str, mirror: Mirror, *, command: str = "predict") -> Path:
    """Returns the folder of a SavedModel: a stage's current version, or the given one.

    A name without a slash is a stage's, never a folder of the working directory. An
    error begins with the command.

    Raises:
        ConfigError: neither exists.
    """
    stages = _current(mirror)
    if target in stages:
        folder = f"pushed/{target}/{stages[target]}"
        mirror.fetch(folder)
        return mirror.path / folder
    if "/" in target:
        if (Path(target) / PushedVersion.MODEL).is_file():
            return Path(target)
        if (version := current_version(Path(target))) is not None:
            return version
    known = "a pushed stage"
    hint = f"; nothing was pushed below {mirror.root}: run a pipeline first"
    if stages:
        known += f" ({', '.join(sorted(stages))})"
        hint = did_you_mean(target, sorted(stages))
    raise ConfigError(
        f"{command}: expected {known} or the folder of a SavedModel, got "
        f"{target!r}{hint}"
    )


def report_newer_version(stage: str, mirror: Mirror) -> None:
    """Says on stderr that the current version is not that of the newest run."""
    from textmill.pipeline.store import STORE, MetadataStore

    version = _current(mirror).get(stage)
    if version is None or mirror.is_remote or not (mirror.path / STORE).is_file():
        return
    with MetadataStore(mirror.path) as store:
        for run in store.summaries():
            pushed = run.get("stages", {}).get(stage, {}).get("pushed")
            if pushed is not None:
                break
        else:
            return
    if pushed != f"pushed/{stage}/{version}":
        print(
            f"textmill: {stage} is version {version}; the newest run, "
            f"{run['run_id']}, has {pushed}: to ask that one, name its folder",
            file=sys.stderr,
        )


def _current(mirror: Mirror) -> dict[str, int]:
    """Returns the number of the current version of every pushed stage."""
    if mirror.is_remote:
        names = mirror.sizes("pushed")
        mirror.fetch("pushed", wanted=lambda name: name.endswith(f"/{POINTER}"))
    else:
        models = mirror.path.glob(f"pushed/*/*/{PushedVersion.MODEL}")
        names = {path.relative_to(mirror.path).as_posix(): 0 for path in models}
    numbers: dict[str, list[int]] = {}
    for name in names:
        if match := _VERSION.fullmatch(name):
            numbers.setdefault(match[1], []).append(int(match[2]))
    current = {}
    for stage, known in numbers.items():
        pointer = read_pointer(mirror.path / "pushed" / stage)
        if pointer is not None and pointer.version in known:
            current[stage] = pointer.version
        else:
            current[stage] = max(known)
    return current


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
