"""Tables in and out of the library: pandas where it is installed, else lists of dicts.

Nothing here imports pandas before a table is made, and a DataFrame that comes in is
recognized by its methods.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from textmill.components.predictor.answers import flatten_answer
from textmill.models.errors import ConfigError, did_you_mean
from textmill.pipeline.publish import write_atomically


def make_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Any:
    """Returns rows as a pandas DataFrame, or as a list of dicts without pandas."""
    try:
        import pandas
    except ImportError:
        return [{column: row[column] for column in columns} for row in rows]
    return pandas.DataFrame(list(rows), columns=list(columns))


def is_frame(data: Any) -> bool:
    """Returns True for a pandas DataFrame, recognized by its attributes."""
    return all(hasattr(data, name) for name in ("columns", "index", "to_dict"))


def to_rows(data: Any) -> list[dict[str, Any]]:
    """Returns the rows of a DataFrame, an Arrow table, or an iterable of mappings.

    Raises:
        TypeError: it is something else.
    """
    if is_frame(data):
        return [dict(row) for row in data.to_dict("records")]
    for method in ("to_dicts", "to_pylist"):
        if hasattr(data, method):
            return [dict(row) for row in getattr(data, method)()]
    is_iterable = isinstance(data, Iterable) and not isinstance(data, Mapping | bytes)
    rows = list(data) if is_iterable else []
    if not is_iterable or not all(isinstance(row, Mapping) for row in rows):
        raise TypeError(
            "expected a DataFrame, a list of dicts or the path of a file, got "
            f"{_kind(data, rows)}"
        )
    return [dict(row) for row in rows]


def _kind(data: Any, rows: list[Any]) -> str:
    others = [row for row in rows if not isinstance(row, Mapping)]
    inner = f" of {type(others[0]).__name__}" if others else ""
    return f"{type(data).__name__}{inner}"


def file_of(data: Any, folder: Path, *columns: str | None) -> str:
    """Returns the path of data; a table is written as a file.

    Args:
        data: a DataFrame, a list of dicts, or the path of a file or folder.
        folder: gets a file with the rows of a DataFrame or a list.
        columns: names of columns that the rows must have.

    Raises:
        ConfigError: the rows lack a column.
        TypeError: the data are something else.
    """
    if isinstance(data, str | Path):
        return str(data)
    rows = to_rows(data)
    names = dict.fromkeys(key for row in rows for key in row)
    check_columns("fit", names, *filter(None, columns))
    return str(_write_rows(rows, folder))


def _write_rows(rows: Iterable[Mapping[str, Any]], folder: Path) -> Path:
    """Writes rows as JSON Lines, in a file that is named by their content.

    The same rows have the same path, so that a second call finds its results cached.
    """
    data = b"".join(_encode(row) for row in rows)
    path = folder / f"{hashlib.sha256(data).hexdigest()[:16]}.jsonl"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    return path


def _encode(row: Mapping[str, Any]) -> bytes:
    import orjson

    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(row, default=_plain, option=options) + b"\n"


def _plain(value: Any) -> str | None:
    """Returns the text of a value that JSON lacks; pandas' missing values are null."""
    text = str(value)
    return None if text in ("NaT", "<NA>") else text


def to_texts(data: Any, *columns: str) -> list[str | list[str]]:
    """Returns the texts of a list of texts, or of columns of a table.

    Several columns, or a list of tuples, give lists of texts.

    Raises:
        ConfigError: the table has no such column.
        TypeError: it is one text, or holds another value.
    """
    if isinstance(data, str):
        raise TypeError("predict: expected a list of texts, got one text")
    rows = to_rows(data) if hasattr(data, "columns") else list(data)
    if rows and isinstance(rows[0], Mapping):
        check_columns("predict", rows[0], *columns)
    texts = [_texts_of(row, columns) for row in rows]
    for index, parts in enumerate(texts):
        for text in parts:
            if not isinstance(text, str):
                raise TypeError(
                    f"predict: expected a text, got {type(text).__name__} in row "
                    f"{index}"
                )
    return [parts[0] if len(parts) == 1 else parts for parts in texts]


def _texts_of(row: Any, columns: Sequence[str]) -> list[Any]:
    if isinstance(row, Mapping):
        return [row[column] for column in columns]
    return list(row) if isinstance(row, tuple | list) else [row]


def check_columns(where: str, columns: Iterable[Any], *wanted: str) -> None:
    """Checks that a table has columns.

    Raises:
        ConfigError: one is missing.
    """
    names = [str(column) for column in columns]
    for column in wanted:
        if column not in names:
            raise ConfigError(
                f"{where}: expected a column {column!r}, got "
                f"{', '.join(names) or 'none'}{did_you_mean(column, names)}"
            )


def answers_like(data: Any, answers: list[dict[str, Any]]) -> Any:
    """Returns answers in the form of the input: a DataFrame with its index, or a list.

    In a DataFrame, probabilities have a column for each label: ``p_<label>``. The
    answers for a Series are a DataFrame, too.
    """
    if hasattr(data, "to_frame"):
        data = data.to_frame()
    if not is_frame(data):
        return answers
    return type(data)([flatten_answer(answer) for answer in answers], index=data.index)
