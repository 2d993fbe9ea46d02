"""Small files of texts: their rows by column, for prediction and for a first config.

The ingester has its own readers, for any size, with ranges and dead letters; here a
file is read from its begin, and its first bad line is an error.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from textmill.models.errors import ConfigError, DataError, did_you_mean

ENDINGS = (".csv", ".tsv", ".jsonl", ".txt")
"""Ends of the names of files that can be read."""
_DELIMITERS = ",;\t|"


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the rows of a csv, tsv or jsonl file; of txt, ``{"text": line}``.

    Raises:
        ConfigError: the file is missing, or has another ending.
        DataError: a line is malformed.
    """
    if path.suffix not in ENDINGS:
        raise ConfigError(
            f"{path}: expected a file that ends in {', '.join(ENDINGS)}, got another "
            "name"
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix == ".jsonl":
                yield from _json_rows(path, file)
            elif path.suffix == ".txt":
                yield from ({"text": line.rstrip("\r\n")} for line in file)
            else:
                yield from _table_rows(path, file)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: expected UTF-8 ({error.reason}); convert it"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{path}: expected a file that can be read ({error.strerror})"
        ) from None


def _json_rows(path: Path, file: TextIO) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}:{number}: expected JSON ({error})") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number}: expected a JSON object, got {line:.40}")
        yield row


def _table_rows(path: Path, file: TextIO) -> Iterator[dict[str, Any]]:
    header = file.readline()
    delimiter = "\t" if path.suffix == ".tsv" else find_delimiter(header)
    file.seek(0)
    reader = csv.DictReader(file, delimiter=delimiter, restval="")
    try:
        for row in reader:
            yield {name: value for name, value in row.items() if name is not None}
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: not a csv line ({error})") from None


def find_delimiter(header: str) -> str:
    """Returns the delimiter that occurs most often in a header line."""
    return max(_DELIMITERS, key=header.count)


def text_of(row: dict[str, Any], column: str, where: str) -> str:
    """Returns the text of a row.

    Raises:
        ConfigError: the row has no such column.
        DataError: its value is not a text.
    """
    if column not in row:
        names = [str(name) for name in row]
        hint = did_you_mean(column, names) or "; --text names the column"
        raise ConfigError(
            f"{where}: expected a column {column!r}, got {', '.join(names)}{hint}"
        )
    text = row[column]
    if not isinstance(text, str):
        raise DataError(f"{where}: expected a text in {column!r}, got {text!r:.40}")
    return text.encode(errors="replace").decode()  # JSON may hold half a character
