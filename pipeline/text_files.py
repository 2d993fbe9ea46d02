"""Names of data files, and the rows of one by the readers of ingestion.

Ingestion reads files of any size in ranges, and stores bad records as dead letters;
here a file is read from its start, and its first bad record is an error.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from textmill.models.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from textmill.components.ingester.readers.reader import FileRange, Reader
    from textmill.components.ingester.readers.records import DeadLetter

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".txt", ".parquet")
"""Ends of the names of files of data; the table of readers has the same and more."""
_COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
_HEAD_BYTES = 4 << 20
"""Bytes at the beginning of a file that decide about its encoding."""
_SAMPLE_BYTES = 1 << 16


def is_data(name: str) -> bool:
    """Returns True for the name of a file of data, compressed or not."""
    return _expanded(name).suffix.lower() in ENDINGS


def stem(name: str) -> str:
    """Returns the name of a file without its endings: ``a`` for ``a.csv.gz``."""
    return _expanded(name).stem


def ending_of(name: str) -> str:
    """Returns the ending of a file's name: ``.csv.gz``."""
    expanded = _expanded(name)
    return expanded.suffix + name[len(str(expanded)) :]


def _expanded(name: str) -> PurePath:
    path = PurePath(name)
    return path.with_suffix("") if path.suffix in _COMPRESSED else path


def file_source(name: str) -> dict[str, str]:
    """Returns a file by its format, as a source names it: ``{"csv": "a.csv"}``.

    Raises:
        ConfigError: no format has such a file.
    """
    from textmill.components.ingester.readers import READERS

    expanded = str(_expanded(name)).lower()
    rows = {key: row for key, row in READERS.items() if row.takes_files}
    for key, row in rows.items():
        if any(expanded.endswith(ending) for ending in row.endings):
            return {key: name}
    known = [ending for row in rows.values() for ending in row.endings]
    raise ConfigError(
        f"{name}: expected a file that ends in {', '.join(known)}, got another name; "
        "rename it, or write a config with its format"
    )


def read_rows(
    path: Path, *, bad: list[dict[str, Any]] | None = None, **options: Any
) -> Iterator[dict[str, Any]]:
    """Yields the rows of a file; those of plain text are ``{"text": line}``.

    Args:
        path: the file; its ending names the format.
        bad: receives file and reason of malformed records; without it, they are errors.
        options: keys of a source: ``text``, ``encoding``.

    Raises:
        ConfigError: the file is missing, or no format has such a file.
        DataError: a record is malformed.
    """
    from textmill.components.ingester.readers.reader import FileRange, open_reader
    from textmill.components.ingester.readers.records import DeadLetter
    from textmill.components.ingester.sources.config import SourceConfig

    source: dict[str, Any] = {**file_source(str(path)), **options}
    [key] = file_source(str(path))
    if not path.is_file():
        raise ConfigError(f"{path}: expected a file, found none")
    part = FileRange(str(path), path.name, key)
    reader = open_reader(key, SourceConfig(**source))
    for record in reader.read(part):
        if isinstance(record, DeadLetter):
            sentence = _sentence(reader, part, record)
            if bad is None:
                raise DataError(sentence)
            bad.append({"file": str(path), "reason": sentence})
            continue
        yield record.row


def read_text_rows(
    path: Path,
    columns: Sequence[str],
    *,
    encoding: str | None,
    bad: list[dict[str, Any]] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yields the rows of a file, each with a text in every column.

    A line of plain text holds the texts of all columns, with tabs between them.

    Args:
        path: the file; its ending names the format.
        columns: columns of texts.
        encoding: as of ``fitting_encoding``.
        bad: receives file and reason of rows without texts; without it, they are
            errors.

    Raises:
        ConfigError: the file is missing, or its first row lacks a column.
        DataError: a record is malformed, or has no text.
    """
    [format] = file_source(str(path))
    options: dict[str, Any] = {"text": list(columns) if columns[1:] else columns[0]}
    if format == "txt":
        options = {}
    if encoding is not None:
        options["encoding"] = encoding
    has_texts = False
    for number, row in enumerate(read_rows(path, bad=bad, **options), start=1):
        where = f"{path}, row {number}"
        try:
            if format == "txt":
                row = split_line(row["text"], columns, where)
            texts = {column: text_of(row, column, where) for column in columns}
        except (ConfigError, DataError) as error:
            if bad is None or (isinstance(error, ConfigError) and not has_texts):
                raise
            bad.append({"file": str(path), "reason": str(error)})
            continue
        has_texts = True
        yield row | texts


def split_line(line: str, columns: Sequence[str], where: str) -> dict[str, Any]:
    """Returns the texts of a line by column: several have a tab between them.

    Raises:
        DataError: the line has another number of texts.
    """
    parts = line.split("\t") if columns[1:] else [line]
    if len(parts) != len(columns):
        raise DataError(
            f"{where}: expected {len(columns)} texts with a tab between them, got "
            f"{len(parts)}"
        )
    return dict(zip(columns, parts, strict=True))


def _sentence(reader: Reader, part: FileRange, letter: DeadLetter) -> str:
    """Returns the place of a bad record, the reason, and the next step."""
    places = reader.places(part, [letter.offset]).get(letter.offset, {})
    place = "".join(f", {name} {number}" for name, number in places.items())
    hint = reader.hint(part, letter.offset, letter.reason)
    return f"{part.path}{place}: {letter.detail}{hint}"


def fitting_encoding(path: Path) -> str | None:
    """Returns the encoding that fits a file of text if UTF-8 does not, or None."""
    from textmill.components.ingester.readers import READERS

    [key] = file_source(str(path))
    if "encoding" not in READERS[key].options or not path.is_file():
        return None
    return encoding_of(read_head(str(path)))


def read_head(path: str) -> bytes:
    """Returns the first bytes of a file, decompressed."""
    from textmill.components.ingester.readers.records import LimitsConfig
    from textmill.components.ingester.readers.streams import open_stream

    chunks, size = [], 0
    expanded = LimitsConfig().max_expanded_bytes
    with closing(open_stream(path, max_expanded_bytes=expanded)) as stream:
        while size < _HEAD_BYTES and (chunk := stream.read(_SAMPLE_BYTES)):
            chunks.append(chunk)
            size += len(chunk)
    return b"".join(chunks)


def encoding_of(head: bytes) -> str | None:
    """Returns the encoding that fits the first bytes of a file if UTF-8 does not."""
    from textmill.components.ingester.readers import encodings

    fitting = encodings.fitting_encoding(head[:_SAMPLE_BYTES])
    if fitting == "utf-8":
        try:
            codecs.getincrementaldecoder("utf-8")().decode(head)
        except UnicodeDecodeError as error:
            begin = head.rfind(b"\n", 0, error.start) + 1
            fitting = encodings.fitting_encoding(head[begin : begin + _SAMPLE_BYTES])
    return None if fitting in (None, "utf-8") else fitting


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
