"""Writes predictions to the terminal, to stdout as JSON lines, or to a file."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from textmill.components.predictor.answers import flatten_answer, merge
from textmill.models.errors import ConfigError, DataError
from textmill.pipeline.cli.options import writing

_ENDINGS = (".jsonl", ".csv")


class Writer(Protocol):
    """Base class: receives the row of an input and its answer."""

    def __call__(self, row: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Writes one prediction."""


def to_json_line(row: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    """Returns a prediction as a line of JSON."""
    return json.dumps(merge(row, answer), ensure_ascii=False)


@contextmanager
def file_writer(path: Path) -> Iterator[Writer]:
    """Context manager: writes a csv or jsonl file, which appears when it is complete.

    Raises:
        ConfigError: the name has another ending, or the folder does not exist.
    """
    if path.suffix not in _ENDINGS:
        raise ConfigError(
            f"{path}: expected a file that ends in {' or '.join(_ENDINGS)}, got "
            "another name"
        )
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with writing(path), draft.open("w", encoding="utf-8", newline="") as file:
            if path.suffix == ".csv":
                yield _CsvWriter(file)
            else:
                yield lambda row, answer: print(to_json_line(row, answer), file=file)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


class _CsvWriter:
    """Writes csv; the first prediction gives the columns."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._writer: csv.DictWriter[str] | None = None

    def __call__(self, row: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Writes one prediction."""
        fields = merge(row, flatten_answer(answer))
        if self._writer is None:
            self._writer = csv.DictWriter(self._file, list(fields), lineterminator="\n")
            self._writer.writeheader()
        if new := [name for name in fields if name not in self._writer.fieldnames]:
            raise DataError(
                f"predict: expected the columns of the first row, got {new[0]!r} too; "
                "write a .jsonl file, whose rows may differ"
            )
        self._writer.writerow(fields)


def batches(
    rows: Iterable[dict[str, Any]], size: int
) -> Iterator[list[dict[str, Any]]]:
    """Yields rows in lists of a size, the last one shorter."""
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch
