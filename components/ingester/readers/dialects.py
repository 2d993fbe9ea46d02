"""The dialect of a csv file: its delimiter, quotes and escapes, named or detected.

Detection looks at the first lines alone, so it does not depend on ranges or workers.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

DELIMITERS = (",", ";", "\t", "|")
"""The delimiters that are detected, by preference."""
NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
QUOTE = '"'


@dataclass(frozen=True)
class Dialect:
    """The delimiter, quotes and escapes of a csv file."""

    delimiter: str = ","
    escape: str | None = None
    """The character that takes the next one literally."""
    has_quotes: bool = True
    skips_spaces: bool = False
    """Whether spaces after a delimiter belong to no field."""

    def reader(self, lines: Iterable[str], *, strict: bool = True) -> Iterator[Any]:
        """Returns a reader of the records of lines."""
        return csv.reader(
            lines,
            strict=strict,
            delimiter=self.delimiter,
            escapechar=self.escape,
            skipinitialspace=self.skips_spaces,
            quoting=csv.QUOTE_MINIMAL if self.has_quotes else csv.QUOTE_NONE,
        )

    def records(self, lines: Iterable[str]) -> list[list[str]]:
        """Returns the records of the first lines; the last one may be cut short."""
        return [fields for fields in self.reader(lines, strict=False) if fields]


def detect_delimiter(
    dialects: dict[str, Dialect],
    lines: list[str],
    *,
    columns: tuple[str, ...] | None,
    needed: Collection[str],
) -> str:
    """Returns the delimiter that fits the first lines of a file.

    It is the one whose header has the most columns of those needed; among equals, or
    without a header, the one that gives most records the same number of fields.

    Args:
        dialects: the dialects to compare, by delimiter, in the order of preference.
        lines: the first lines of the file.
        columns: the names of the columns, for a file without a header.
        needed: the columns that documents are made of.
    """

    def fit(delimiter: str) -> tuple[int, float, int]:
        records = dialects[delimiter].records(lines)
        if not records:
            return 0, 0, 0
        width = len(records[0] if columns is None else columns)
        num_needed = 0 if columns else len(set(needed) & set(records[0]))
        if width == 1:
            return num_needed, 0, 0
        num_fitting = sum(len(record) == width for record in records)
        return num_needed, num_fitting / len(records), width

    return max(dialects, key=fit)


def pads_quotes(dialect: Dialect, lines: list[str]) -> bool:
    """Returns whether the quoted fields of the first lines begin with a space."""
    records = dialect.records(lines)
    if not any(is_padded(field) for record in records for field in record):
        return False
    try:
        trimming = Dialect(dialect.delimiter, dialect.escape, skips_spaces=True)
        widths = {len(fields) for fields in trimming.reader(lines) if fields}
    except csv.Error:
        return False
    return len(widths) == 1


def is_padded(field: str) -> bool:
    """Returns whether a field holds spaces, then quotes around all that follows."""
    bare = field.lstrip(" ")
    return bare != field and len(bare) > 1 and bare[0] == bare[-1] == QUOTE
