"""What a user says of a source: where documents are, in which format, which columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from textmill.components.artifacts import SPLITS
from textmill.models.errors import did_you_mean
from textmill.models.paths import FilePath

FILE_FORMATS = ("jsonl", "csv", "tsv", "txt", "parquet", "tfrecord")
FORMATS = ("docstrings", *FILE_FORMATS, "tfds", "folder")

Files = FilePath | Mapping[str, FilePath | tuple[FilePath, ...]] | tuple[FilePath, ...]
"""A path or glob, several, or one of both for each of train, eval and test."""

_TOKEN = re.compile(r"\{([A-Za-z]+)\}")
_TOKENS = ("SPAN", "VERSION", "YYYY", "MM", "DD")


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """Where documents come from: exactly one of the formats.

    Files are paths or globs, on this machine or at any scheme that Beam reads
    (gs://, s3://, hdfs:// once their extras are installed); what ends in .gz, .zst,
    .bz2 or .xz is decompressed. Instead of one list, ``{train: ..., eval: ...,
    test: ...}`` says which files belong to which split.

    A pattern may hold ``{SPAN}`` and ``{VERSION}`` (whole numbers) or a date of
    ``{YYYY}``, ``{MM}`` and ``{DD}``: the newest span that every such pattern has is
    read, and of it the newest version that they all have.
    """

    docstrings: tuple[str, ...] | None = None
    """Installed packages (and ``stdlib``) whose documentation paragraphs are read."""
    jsonl: Files | None = None
    """Files of JSON objects, one a line."""
    csv: Files | None = None
    """Files of comma-separated values (RFC 4180) with a header line."""
    tsv: Files | None = None
    """Files of tab-separated values with a header line."""
    txt: Files | None = None
    """Files of plain text."""
    parquet: Files | None = None
    """Apache Parquet files; nested columns are not read."""
    tfrecord: Files | None = None
    """TFRecord files of tf.Example; a feature of one value is a column."""
    tfds: str | None = None
    """A prepared TensorFlow data set, ``name`` or ``name/config:version``; its train,
    validation and test splits are read, others are not."""
    folder: FilePath | None = None
    """A folder laid out as on the Hugging Face Hub: every file is read by its ending,
    and belongs to the split that its name, or its folder's, holds."""
    data_dir: FilePath | None = None
    """For tfds: where data sets were prepared; None is ``$TFDS_DATA_DIR``, or
    ``~/tensorflow_datasets``."""
    span: int | str | None = None
    """Reads this span (7) or date ("2026-11-01") instead of the newest."""
    version: int | None = None
    """Reads this version of the span instead of its newest."""
    document: Literal["line", "paragraph", "file"] = "line"
    """For txt: a document is a line, a blank-line paragraph, or a whole file."""
    text: str = "text"
    """The column that holds the text."""
    label: str | None = None
    """The column that holds the label; None for unlabelled data."""
    id: str | None = None
    """The column that names a document; None names it by file and position."""
    columns: tuple[str, ...] | None = None
    """For csv and tsv without a header line: the names of the columns."""
    limit_per_label: int | None = None
    """Keeps at most this many documents a label, chosen by hash of the id."""
    rate: float | None = None
    """This source's share of a mixture, relative to the other sources' rates."""
    epochs: float | None = None
    """How often this source's documents are used in a mixture; 0.5 uses half."""

    def __post_init__(self) -> None:
        given = [name for name in FORMATS if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"exactly one of {', '.join(FORMATS)}, got {found}")
        if self.format in FILE_FORMATS:
            self._check_files()
        self._check_span()
        self._check_company()
        for name in ("rate", "epochs"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} of more than 0, got {value:g}")
        if self.rate is not None and self.epochs is not None:
            raise ValueError("either rate or epochs, got both")

    def _check_files(self) -> None:
        value = getattr(self, self.format)
        if isinstance(value, Mapping):
            for split in value:
                if split not in SPLITS:
                    raise ValueError(
                        f"{', '.join(SPLITS)} as the splits of {self.format}, got "
                        f"{split!r}{did_you_mean(split, SPLITS)}"
                    )
        if not list(self.files()):
            raise ValueError(f"a path or glob as {self.format}, got none")

    def _check_span(self) -> None:
        has_files = self.format in FILE_FORMATS
        used = [_tokens(pattern) for pattern in self.patterns if has_files]
        spans = {tuple(sorted(tokens - {"VERSION"})) for tokens in used} - {()}
        if len(spans) > 1:
            raise ValueError("{SPAN} or the same parts of a date in every pattern")
        if any(tokens == {"VERSION"} for tokens in used):
            raise ValueError("{SPAN} or a date beside {VERSION}, got {VERSION} alone")
        if self.span is not None:
            if not spans:
                raise ValueError("{SPAN} or {YYYY} in a pattern for span, got neither")
            _check_pin(self.span, len(set(*spans) - {"SPAN"}))
        if self.version is not None and not any("VERSION" in tokens for tokens in used):
            raise ValueError("{VERSION} in a pattern for version, got none")

    def _check_company(self) -> None:
        """Refuses what the format has no use for."""
        for name, formats in {
            "columns": ("csv", "tsv", "folder"),
            "data_dir": ("tfds",),
        }.items():
            if getattr(self, name) is not None and self.format not in formats:
                raise ValueError(
                    f"{name} with {' or '.join(formats)} only, got {self.format}"
                )
        if self.limit_per_label is not None and not self.label:
            raise ValueError("a label column for limit_per_label, got none")

    @property
    def format(self) -> str:
        """The name of the one format that is set."""
        return next(name for name in FORMATS if getattr(self, name) is not None)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The files, globs, packages or names as a tuple."""
        return tuple(pattern for _, pattern in self.files())

    @property
    def names_splits(self) -> bool:
        """Whether the source itself says which split a document belongs to."""
        value = getattr(self, self.format)
        return isinstance(value, Mapping) or self.format in ("tfds", "folder")

    def files(self) -> Iterator[tuple[str | None, str]]:
        """Yields the split that a pattern was written under, and the pattern."""
        value = getattr(self, self.format)
        by_split = value if isinstance(value, Mapping) else {None: value}
        for split, patterns in by_split.items():
            for pattern in (patterns,) if isinstance(patterns, str) else patterns:
                yield split, pattern


def _tokens(pattern: str) -> set[str]:
    """Returns the words in braces of a pattern.

    Raises:
        ValueError: one is unknown, or they make no span.
    """
    used = set(_TOKEN.findall(pattern))
    for token in sorted(used - set(_TOKENS)):
        known = ", ".join(f"{{{name}}}" for name in _TOKENS)
        raise ValueError(f"{known} in braces, got {{{token}}}")
    dates = used & {"YYYY", "MM", "DD"}
    if dates and "SPAN" in used:
        raise ValueError("either {SPAN} or a date in the patterns, got both")
    if dates not in (set(), {"YYYY"}, {"YYYY", "MM"}, {"YYYY", "MM", "DD"}):
        raise ValueError("{YYYY}, and {MM} before {DD}, as the parts of a date")
    return used


def _check_pin(span: int | str, num_date_parts: int) -> None:
    """Checks that a pinned span is spelt as its pattern is: a number, or a date."""
    if not num_date_parts:
        if not isinstance(span, int) or span < 0:
            raise ValueError(f"a whole number as span for {{SPAN}}, got {span!r}")
        return
    example = "2026-11-01"[: (4, 7, 10)[num_date_parts - 1]]
    shape = re.sub(r"\d", r"\\d", example)
    if not isinstance(span, str) or not re.fullmatch(shape, span):
        raise ValueError(f'a date like "{example}" as span, got {span!r}')
