"""The columns of local files, read from their headers or first records."""

from __future__ import annotations

from textmill.components.filesystem import is_remote
from textmill.components.ingester.readers import READERS
from textmill.components.ingester.readers.reader import FileColumns, open_reader
from textmill.components.ingester.readers.records import LimitsConfig
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.sources.files import find_files
from textmill.components.ingester.sources.path_columns import path_columns
from textmill.models.errors import TextmillError

_NUM_FILES = 8
"""Files of a source whose columns are read; the others are taken to have the same."""


def source_columns(source: SourceConfig, limits: LimitsConfig) -> FileColumns | None:
    """Returns the columns of a source's files; None if they cannot be known quickly.

    They cannot if a file is remote, missing or unreadable, which ingestion reports.
    """
    if READERS[source.reader].is_installed or _is_remote(source):
        return None
    try:
        files = find_files(source)
        columns = [
            open_reader(file.format, source, limits=limits).columns(file)
            for file in files[:_NUM_FILES]
        ]
    except (TextmillError, OSError):
        return None
    names = tuple(dict.fromkeys(name for part in columns for name in part.names))
    if not names:
        return None
    from_path = tuple(sorted({name for f in files for name in path_columns(f.path)}))
    has_headers = all(part.has_header for part in columns)
    is_whole = len(files) <= _NUM_FILES and all(part.is_complete for part in columns)
    return FileColumns(names, has_headers, has_headers or is_whole, from_path)


def _is_remote(source: SourceConfig) -> bool:
    paths = (*source.patterns, source.data_dir or "")
    return any(is_remote(path) for path in paths)
