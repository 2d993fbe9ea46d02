"""Readers: files become records, one format per file.

Reading order: the table below (light: it names every format and imports none);
``reader`` (the base classes), ``jsonl`` (the simplest reader), ``records`` (a record, a
dead letter, the bounds on both), ``streams``, ``compression`` and ``encodings`` (bytes
become lines); then ``json``, ``csv`` with ``dialects`` and ``csv_records``, ``txt``,
``conll``, ``parquet`` with ``arrow_columns``, ``tfrecord``, ``tfds``, ``docstrings``.
"""

from __future__ import annotations

from dataclasses import dataclass

from textmill.models.registry import Table


@dataclass(frozen=True, kw_only=True)
class ReaderRow:
    """A format: its reader, and how a source names its files."""

    reader: str | None = None
    """``module:Class`` of the subclass of ``Reader``, imported by workers; None where
    each file has a format of its own."""
    files: str = "textmill.components.ingester.sources.files:match_files"
    """``module:function`` that lists a source's files; light, for planning."""
    takes_files: bool = True
    """Whether a source gives paths and globs of such files."""
    endings: tuple[str, ...] = ()
    """File name endings by which a folder's files are of this format."""
    options: tuple[str, ...] = ()
    """Keys of a source that only some formats know."""
    is_compressible: bool = True
    """Whether a file may be compressed as a whole."""
    names_splits: bool = False
    """Whether files belong to train, eval or test by themselves."""
    id_column: str | None = None
    """The column that names documents, where it is always the same."""
    is_installed: bool = False
    """Whether files belong to installed packages, as they do on workers."""


_CSV_OPTIONS = ("columns", "header", "delimiter", "quoting", "escape", "encoding")

FORMATS = {
    "docstrings": ReaderRow(
        reader="textmill.components.ingester.readers.docstrings:DocstringsReader",
        files="textmill.components.ingester.sources.installed_packages:find_files",
        takes_files=False,
        id_column="id",
        is_installed=True,
    ),
    "jsonl": ReaderRow(
        reader="textmill.components.ingester.readers.jsonl:JsonlReader",
        endings=(".jsonl", ".ndjson"),
        options=("encoding",),
    ),
    "json": ReaderRow(
        reader="textmill.components.ingester.readers.json:JsonReader",
        endings=(".json",),
        options=("encoding",),
    ),
    "csv": ReaderRow(
        reader="textmill.components.ingester.readers.csv:CsvReader",
        endings=(".csv",),
        options=_CSV_OPTIONS,
    ),
    "tsv": ReaderRow(
        reader="textmill.components.ingester.readers.csv:TsvReader",
        endings=(".tsv",),
        options=("columns", "header", "encoding"),
    ),
    "txt": ReaderRow(
        reader="textmill.components.ingester.readers.txt:TxtReader",
        endings=(".txt",),
        options=("encoding",),
    ),
    "conll": ReaderRow(
        reader="textmill.components.ingester.readers.conll:ConllReader",
        endings=(".conll",),
        options=("encoding", "token_field", "tag_field"),
    ),
    "parquet": ReaderRow(
        reader="textmill.components.ingester.readers.parquet:ParquetReader",
        endings=(".parquet",),
        is_compressible=False,
    ),
    "tfrecord": ReaderRow(
        reader="textmill.components.ingester.readers.tfrecord:TFRecordReader",
        endings=(".tfrecord", ".tfrecords"),
    ),
    "tfds": ReaderRow(
        reader="textmill.components.ingester.readers.tfds:TfdsReader",
        files="textmill.components.ingester.sources.tfds:find_files",
        takes_files=False,
        options=("data_dir",),
        names_splits=True,
    ),
    "folder": ReaderRow(
        files="textmill.components.ingester.sources.hub_layout:find_files",
        takes_files=False,
        options=_CSV_OPTIONS,
        names_splits=True,
    ),
}
"""Textmill's own formats, by the key under which a source gives them."""

READERS: Table[ReaderRow] = Table("textmill.readers", "format", FORMATS)
"""Every format by name, those of installed packages included."""
