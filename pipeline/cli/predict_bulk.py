"""Bulk prediction for ``textmill predict -o FOLDER``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer

from textmill.models.errors import ConfigError, one_of
from textmill.models.texts import TEXT_FIELDS

Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="The files of an output folder: jsonl, csv or parquet; by default as the "
        "input.",
        show_default=False,
    ),
]
BeamOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--beam",
        metavar="KEY=VALUE",
        help="An option of Beam for an output folder, as of run.beam.",
    ),
]


def is_folder(output: Path | None) -> bool:
    """Returns True for an output that is a folder, which has no ending."""
    return output is not None and (output.is_dir() or not output.suffix)


def text_columns(given: Sequence[str] | None, num_texts: int) -> list[str]:
    """Returns the columns of a model's texts.

    Raises:
        ConfigError: another number of them is given.
    """
    columns = list(given or TEXT_FIELDS[:num_texts])
    if len(columns) != num_texts:
        raise ConfigError(
            f"--text: expected {num_texts} column{'s' if num_texts > 1 else ''}, which "
            f"the model takes, got {len(columns)}"
        )
    return columns


def predict_to_folder(
    model: Path,
    inputs: Sequence[str],
    output: Path,
    *,
    columns: Sequence[str] | None,
    format: str | None,
    beam: Sequence[str] | None,
    trust: bool,
    **options: Any,
) -> None:
    """Predicts files into a folder, and prints the counts.

    Raises:
        ConfigError: no file is named, or the format is unknown.
    """
    from textmill.components.predictor.bulk import BulkJob, OutputFormat, shared_model
    from textmill.pipeline.bulk import LEDGER, input_files, predict_files

    if not inputs or "-" in inputs:
        raise ConfigError(
            f"--output {output}: expected files by --input for a folder, got none"
        )
    files = input_files(inputs)
    known = get_args(OutputFormat)
    kind = format or next((k for k in known if f".{k}" in files[0].suffixes), "jsonl")
    if kind not in known:
        raise ConfigError(f"--format: expected {one_of(known)}, got {kind!r}")
    # Beam warns of packages for engines that are not asked for.
    logging.disable(logging.WARNING)
    # Worker threads of this process answer with the same one.
    num_texts = shared_model(str(model), trust=trust).num_texts
    job = BulkJob(
        model=str(model),
        columns=tuple(text_columns(columns, num_texts)),
        format=cast(OutputFormat, kind),
        trust=trust,
        **options,
    )
    ledger = predict_files(files, output, job, beam_options=_beam_options(beam))
    bad = f", {ledger['bad']:,} bad rows in bad.jsonl" if ledger["bad"] else ""
    print(
        f"textmill: {output}: {ledger['rows']:,} predictions in "
        f"{len(ledger['parts']):,} files{bad}",
        file=sys.stderr,
    )
    print(output / LEDGER)


def _beam_options(given: Sequence[str] | None) -> dict[str, Any]:
    from textmill.pipeline.config.yaml import read_yaml

    options = {}
    for option in given or ():
        key, separator, value = option.partition("=")
        if not separator:
            raise ConfigError(f"--beam: expected KEY=VALUE, got {option!r}")
        options[key] = read_yaml(value, "--beam").value
    return options
