"""Columns from the path of a file: its folder, and folders named ``key=value``."""

from __future__ import annotations

from urllib.parse import unquote

DIRECTORY = "directory"
"""The column of the name of a file's folder."""
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


def path_columns(path: str) -> dict[str, str | None]:
    """Returns the columns of a path: ``directory``, and those of Hive's folders.

    ``x/label=good/1.txt`` has the columns ``directory`` ("label=good") and ``label``
    ("good"); percent signs escape characters, as Hive writes them.
    """
    *folders, _ = path.split("/")
    columns: dict[str, str | None] = {DIRECTORY: folders[-1]} if folders else {}
    for folder in folders:
        key, separator, value = folder.partition("=")
        if key and separator:
            columns[key] = None if value == _HIVE_NULL else unquote(value)
    return columns
