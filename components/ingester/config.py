"""What a user says of a data set: where it is, how it is cleaned, how it is split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

FORMATS = ("docstrings", "jsonl", "csv", "tsv", "txt")


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """Where documents come from: exactly one of docstrings, jsonl, csv, tsv, txt."""

    docstrings: tuple[str, ...] | None = None
    """Installed packages (and ``stdlib``) whose documentation paragraphs are read."""
    jsonl: str | tuple[str, ...] | None = None
    """Files or globs of JSON objects, one a line; .gz is decompressed."""
    csv: str | tuple[str, ...] | None = None
    """Files or globs of comma-separated values (RFC 4180) with a header line."""
    tsv: str | tuple[str, ...] | None = None
    """Files or globs of tab-separated values with a header line."""
    txt: str | tuple[str, ...] | None = None
    """Files or globs of plain text."""
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

    def __post_init__(self) -> None:
        given = [name for name in FORMATS if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"exactly one of {', '.join(FORMATS)}, got {found}")
        if self.limit_per_label is not None and not self.label:
            raise ValueError("a label column for limit_per_label, got none")

    @property
    def format(self) -> str:
        """The name of the one format that is set."""
        return next(name for name in FORMATS if getattr(self, name) is not None)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The files, globs or packages as a tuple."""
        value: str | tuple[str, ...] = getattr(self, self.format)
        return (value,) if isinstance(value, str) else tuple(value)


@dataclass(frozen=True, kw_only=True)
class CleanConfig:
    """What is cut from documents, and which of them are dropped."""

    unicode: Literal["none", "nfc"] = "nfc"
    """Unicode normalization form of the text."""
    whitespace: Literal["keep", "collapse"] = "keep"
    """Whether runs of white space become one space."""
    dedup: Literal["none", "exact"] = "none"
    """Drops later documents with the same text (case and white space folded)."""
    min_chars: int = 1
    """Documents with fewer characters are dropped."""
    max_chars: int | None = None
    """Documents with more characters are dropped."""


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """Shares of the documents; the same key always falls into the same split."""

    train: float = 0.9
    """Share used for training."""
    eval: float = 0.1
    """Share used to watch training."""
    test: float = 0.0
    """Share kept for the evaluator; with 0 it uses eval."""
    by: str = "id"
    """The column whose SHA-256 decides, so that its values never straddle splits;
    ``position`` cuts every document at its shares instead (train first)."""

    def __post_init__(self) -> None:
        shares = (self.train, self.eval, self.test)
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
            raise ValueError(
                f"shares of 0 or more that add up to 1, got {sum(shares):g}"
            )


@dataclass(frozen=True, kw_only=True)
class LimitsConfig:
    """Bounds that keep bad input from becoming bad data."""

    max_line_bytes: int = 1 << 20
    """Longer lines become dead letters."""
    max_bad_fraction: float = 0.001
    """The run fails when a larger share of the records is bad."""
    max_expanded_bytes: int = 64 << 30
    """A compressed file may grow to this size, and to 200 times its own."""
    keep_raw: bool = False
    """Whether dead letters hold the offending text itself."""


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """One data set of the file."""

    source: SourceConfig
    """Where the documents come from."""
    clean: CleanConfig = field(default_factory=CleanConfig)
    """What is cut from them, and which are dropped."""
    split: SplitConfig = field(default_factory=SplitConfig)
    """How they are divided."""
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    """Bounds on bad input."""
    num_shards: int = 4
    """Shards a split; more of them let more workers tokenize at once."""
