"""A source of documents: its files, their format and its columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from textmill.components.artifacts import SPLITS
from textmill.components.ingester.readers import FORMATS, READERS, ReaderRow
from textmill.components.ingester.readers.encodings import canonical_encoding
from textmill.models.checks import COUNT, NOT_NEGATIVE, POSITIVE, check_bounds
from textmill.models.errors import did_you_mean
from textmill.models.paths import FilePath
from textmill.models.registry import NameIn
from textmill.models.targets import TARGETS
from textmill.models.texts import TEXT_FIELDS

Files = FilePath | Mapping[str, FilePath | tuple[FilePath, ...]] | tuple[FilePath, ...]
"""A path or glob, several, or one of both for each of train, eval and test."""

_TOKEN = re.compile(r"\{([A-Za-z]+)\}")
_TOKENS = ("SPAN", "VERSION", "YYYY", "MM", "DD")
_KEYS = (*FORMATS, "files")
"""The keys of which a source has exactly one."""
_OPTIONS = (
    *("columns", "header", "delimiter", "quoting", "escape", "encoding"),
    *("data_dir", "token_field", "tag_field"),
)
"""The keys that only some formats know."""


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """Files in exactly one of the formats, and the columns of their documents.

    Files are paths or globs, on this machine or at gs://, s3:// or hdfs:// (with the
    extras ``vertex`` or ``s3``, or Hadoop); .gz, .zst, .bz2 and .xz files are
    decompressed. Instead of one list, ``{train: ..., eval: ..., test: ...}`` gives the
    files of each split.

    A pattern may hold ``{SPAN}`` and ``{VERSION}`` (whole numbers) or a date of
    ``{YYYY}``, ``{MM}`` and ``{DD}``: the newest span that every such pattern has is
    read, and of it the newest version that they all have.
    """

    docstrings: tuple[str, ...] | None = None
    """Installed packages (and ``stdlib``) whose documentation paragraphs are read."""
    jsonl: Files | None = None
    """Files of JSON objects, one per line."""
    json: Files | None = None
    """Files of JSON: an array of objects, or objects in a row, on any lines."""
    csv: Files | None = None
    """Files of comma-separated values (RFC 4180) with a header line. Semicolons, tabs
    and bars as delimiters are detected in the first lines."""
    tsv: Files | None = None
    """Files of tab-separated values with a header line."""
    txt: Files | None = None
    """Files of plain text."""
    conll: Files | None = None
    """Files of a token and its tag on each line, and a blank line between sentences,
    for ``tags: tags``; IOB1, IOB2, BIOES and BILOU."""
    parquet: Files | None = None
    """Apache Parquet files; nested columns are not read, dates become text."""
    tfrecord: Files | None = None
    """TFRecord files of tf.Example; a feature of one value is a column."""
    tfds: str | None = None
    """A prepared TensorFlow data set, ``name`` or ``name/config:version``; its train,
    validation and test splits are read, others are not."""
    folder: FilePath | None = None
    """A folder laid out as on the Hugging Face Hub: every file is read by its ending,
    and belongs to the split that its name, or its folder's, holds."""
    files: Files | None = None
    """Files in the format that ``format`` names."""
    format: Annotated[str, NameIn(READERS)] | None = None
    """For files: a format of those above, or one that an installed package adds."""
    data_dir: FilePath | None = None
    """For tfds: the folder of prepared data sets. Not set: ``$TFDS_DATA_DIR``, or
    ``~/tensorflow_datasets``."""
    span: int | str | None = None
    """Reads this span (7) or date ("2026-11-01") instead of the newest."""
    version: Annotated[int, NOT_NEGATIVE] | None = None
    """Reads this version of the span instead of its newest."""
    document: Literal["line", "paragraph", "file"] = "line"
    """For txt: a document is a line, a blank-line paragraph, or a whole file."""
    text: str | tuple[str, ...] = "text"
    """The column that holds the text, or a list of two or three columns: [premise,
    hypothesis]. The texts of a document are cleaned alike, and none of the further ones
    may be empty. Filters, language and repeated passages look at the first; duplicates
    and decontamination at all of them, joined."""
    label: str | None = None
    """The column of the target, for tasks that learn one label of several. A source
    has one target at most, of this kind or of one of the next five. Where the data has
    no such column, ``directory`` is the name of the file's folder, and a folder named
    ``key=value`` gives the column ``key``."""
    labels: str | None = None
    """The column of any number of labels: a list, or text with ``labels_separator``."""
    labels_separator: str | None = None
    """For labels in text, as csv has them: the text between two labels. Without it, a
    text is one label."""
    number: str | None = None
    """The column of a number, for regression."""
    tags: str | None = None
    """The column of the tagged spans of the text: a list of ``[start, end, label]``, or
    of objects with these keys, counted in characters. Where the column of the text is a
    list of tokens, a list of their tags: [B-place, I-place, O]. Cleaning may remove
    characters of the text, but no others inside of spans."""
    token_separator: str | None = None
    """For tags of tokens: the text between two tokens. Not set: a space; for Chinese
    characters ``""``."""
    token_field: Annotated[int, COUNT] | None = None
    """For conll: the field of a line that holds the token, counted from 1. Not set: the
    first."""
    tag_field: Annotated[int, COUNT] | None = None
    """For conll: the field of a line that holds the tag, counted from 1. Not set: the
    last."""
    answers: str | None = None
    """The column of the answer to a question, ``text: [passage, question]``: its places
    in the passage, as a list of ``[start, end]`` or of objects with these keys, SQuAD's
    ``{"text": [...], "answer_start": [...]}``, or the answer itself, at its first place
    in the passage. An empty list is a question without an answer."""
    target_text: str | None = None
    """The column of the text to write for the text: a summary, a translation, an
    answer."""
    id: str | None = None
    """The column that names a document. Not set: its file and position, and the text
    decides its split."""
    columns: tuple[str, ...] | None = None
    """For csv and tsv: the names of the columns, for files without a header line."""
    header: bool | None = None
    """For csv and tsv: whether the first record is a header. Not set: it is one without
    ``columns``, or if it repeats their names."""
    delimiter: str | None = None
    """For csv: the character between fields. Not set: the comma, semicolon, tab or bar
    that fits the header and the first lines."""
    quoting: bool | None = None
    """For csv: whether quotes enclose fields; false reads them as characters. Not set:
    true."""
    escape: str | None = None
    """For csv: the character that takes the next one literally, such as a backslash.
    Not set: none; two quotes stand for one."""
    encoding: str | None = None
    """For csv, tsv, txt, json and jsonl: the encoding of the files by Python's name
    (cp1252, gb18030, big5, shift_jis, utf-16, ...). Not set: utf-8. A file of UTF-16,
    UTF-32 or ISO-2022 is read by one worker, and its offsets count bytes of its text
    in UTF-8."""
    limit_per_label: Annotated[int, COUNT] | None = None
    """For label: keeps at most this many documents of each, chosen by hash of the
    id."""
    rate: Annotated[float, POSITIVE] | None = None
    """This source's share of a mixture, relative to the other sources' rates."""
    epochs: Annotated[float, POSITIVE] | None = None
    """Times that this source's documents are used in a mixture; 0.5 uses half."""

    def __post_init__(self) -> None:
        keys = [name for name in _KEYS if getattr(self, name) is not None]
        if len(keys) != 1:
            got = " and ".join(keys) or "none"
            raise ValueError(f"exactly one of {', '.join(_KEYS)}, got {got}")
        self._check_format()
        if self._row.takes_files:
            self._check_files()
        self._check_span()
        self._check_options()
        check_bounds(self)
        if self.rate is not None and self.epochs is not None:
            raise ValueError("either rate or epochs, got both")

    def _check_format(self) -> None:
        if (self.files is None) != (self.format is None):
            raise ValueError("files and format together, got one of them")
        if self.format is not None and not self._row.takes_files:
            raise ValueError(f"a format of files as format, got {self.format}")

    def _check_files(self) -> None:
        if isinstance(self._value, Mapping):
            for split in self._value:
                if split not in SPLITS:
                    raise ValueError(
                        f"{', '.join(SPLITS)} as the splits of {self._key}, got "
                        f"{split!r}{did_you_mean(split, SPLITS)}"
                    )
        if not self.patterns:
            raise ValueError(f"a path or glob as {self._key}, got none")

    def _check_span(self) -> None:
        patterns = self.patterns if self._row.takes_files else ()
        used = [_tokens(pattern) for pattern in patterns]
        spans = {tuple(sorted(tokens - {"VERSION"})) for tokens in used} - {()}
        if len(spans) > 1:
            raise ValueError("{SPAN} or the same parts of a date in every pattern")
        if any(tokens == {"VERSION"} for tokens in used):
            raise ValueError("{SPAN} or a date with {VERSION}, got {VERSION} alone")
        if self.span is not None:
            if not spans:
                raise ValueError("{SPAN} or {YYYY} in a pattern for span, got neither")
            _check_pin(self.span, len(set(*spans) - {"SPAN"}))
        if self.version is not None and not any("VERSION" in tokens for tokens in used):
            raise ValueError("{VERSION} in a pattern for version, got none")

    def _check_options(self) -> None:
        """Refuses options that the format does not know."""
        for name in _OPTIONS:
            if getattr(self, name) is not None and name not in self._row.options:
                formats = [key for key, row in READERS.items() if name in row.options]
                raise ValueError(
                    f"{name} with {' or '.join(formats)} only, got {self.reader}"
                )
        self._check_text_format()
        self._check_texts()
        kinds = [kind for kind in TARGETS if self._column_of(kind) is not None]
        if len(kinds) > 1:
            fields = " and ".join(TARGETS[kind].field for kind in kinds)
            raise ValueError(f"one target per source, got {fields}")
        for name, kind in (
            ("limit_per_label", "label"),
            ("labels_separator", "labels"),
            ("token_separator", "tags"),
        ):
            if getattr(self, name) is not None and self.target != kind:
                raise ValueError(f"a {kind} column for {name}, got {self.target}")
        if self.labels_separator == "":
            raise ValueError("a text as labels_separator, got an empty one")

    def _check_texts(self) -> None:
        names = self.text_columns
        if not 1 <= len(names) <= len(TEXT_FIELDS) or len(set(names)) < len(names):
            got = ", ".join(names) or "none"
            raise ValueError(f"one to three different columns as text, got {got}")

    def _check_text_format(self) -> None:
        if self.header is False and self.columns is None:
            raise ValueError("the names of the columns as columns for header: false")
        for name in ("delimiter", "escape"):
            value = getattr(self, name)
            if value is None:
                continue
            if len(value) != 1 or not value.isascii() or value in '"\r\n\0':
                hint = '; write a tab as "\\t" in double quotes' if "t" in value else ""
                raise ValueError(
                    f"one ASCII character as {name}, other than a quote or the end of "
                    f"a line, got {value!r}{hint}"
                )
        if self.delimiter is not None and self.delimiter == self.escape:
            raise ValueError("different characters as delimiter and escape")
        if self.encoding is not None:
            canonical_encoding(self.encoding)

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns of the texts, in their order."""
        return (self.text,) if isinstance(self.text, str) else tuple(self.text)

    @property
    def target(self) -> str:
        """The kind of target of its documents, by its name in TARGETS."""
        kinds = [kind for kind in TARGETS if self._column_of(kind) is not None]
        return kinds[0] if kinds else "none"

    @property
    def target_column(self) -> str | None:
        """The column of the target, if there is one."""
        return self._column_of(self.target)

    def _column_of(self, kind: str) -> str | None:
        column: str | None = getattr(self, TARGETS[kind].field, None)
        return column

    @property
    def reader(self) -> str:
        """The name of the source's row in READERS."""
        return self.format or self._key

    @property
    def _row(self) -> ReaderRow:
        return READERS[self.reader]

    @property
    def _key(self) -> str:
        return next(name for name in _KEYS if getattr(self, name) is not None)

    @property
    def _value(self) -> Any:
        return getattr(self, self._key)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The files, globs, packages or names as a tuple."""
        return tuple(pattern for _, pattern in self.files_by_split())

    @property
    def names_splits(self) -> bool:
        """Returns whether the source itself gives each document its split."""
        return isinstance(self._value, Mapping) or self._row.names_splits

    def files_by_split(self) -> Iterator[tuple[str | None, str]]:
        """Yields the split that a pattern was written under, and the pattern."""
        value = self._value
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
    """Checks that a pinned span has the form of its pattern: a number, or a date."""
    if not num_date_parts:
        if not isinstance(span, int) or span < 0:
            raise ValueError(f"a whole number as span for {{SPAN}}, got {span!r}")
        return
    example = "2026-11-01"[: (4, 7, 10)[num_date_parts - 1]]
    shape = re.sub(r"\d", r"\\d", example)
    if not isinstance(span, str) or not re.fullmatch(shape, span):
        raise ValueError(f'a date like "{example}" as span, got {span!r}')
