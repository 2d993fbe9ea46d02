"""Reads a bounded number of rows of a source, from the beginning or spread over it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textmill.components.ingester.readers.reader import FileRange, Reader
    from textmill.components.ingester.readers.records import DeadLetter
    from textmill.components.ingester.sources.config import SourceConfig
    from textmill.components.ingester.sources.files import SourceFile

MAX_ROWS = 50_000
MAX_BYTES = 16 << 20
_MAX_RANGES = 2_000
_RANGE_BYTES = 2 << 20
_BLOCK_BYTES = 1 << 16
_NOT_TEXT = ("invalid_utf8", "utf16")


@dataclass
class Sample:
    """Rows of a source, and the number of all of them."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    num_bad: int = 0
    """Records that cannot be used."""
    first_bad: str = ""
    """The place of the first of them, and the reason."""
    encoding: str | None = None
    """The encoding that would fit records that are not UTF-8."""
    num_bytes: int = 0
    is_complete: bool = True
    """Whether every row was read."""
    total: int | None = None
    """The number of all rows, estimated unless complete; None if it is not known."""

    @property
    def size(self) -> str:
        """The number of rows, in words."""
        if self.is_complete:
            return f"{len(self.rows):,} rows"
        read = f"{len(self.rows):,} rows read"
        return f"{read} of about {self.total:,}" if self.total else f"{read} of more"


def read_sample(source: SourceConfig) -> Sample:
    """Returns at most ``MAX_ROWS`` rows and about ``MAX_BYTES`` of a source.

    A large source is read in ranges that are spread over its files, or from the
    beginning of a file that cannot be split. Rows have the columns of their path, too.

    Raises:
        TextmillError: a file is missing, damaged, or has a bad header.
    """
    from textmill.components.ingester.readers.reader import open_reader, split_ranges
    from textmill.components.ingester.sources.files import find_files

    files = find_files(source)
    partitions = split_ranges(files, source, block_bytes=_RANGE_BYTES)
    ranges = list(chain.from_iterable(partitions))
    size = sum(file.size for file in files)
    is_small = size <= MAX_BYTES and len(ranges) <= _MAX_RANGES
    chosen = ranges if is_small else _spread(ranges)
    share = 1 if is_small else len(chosen)
    sample = Sample(is_complete=is_small)
    readers = {
        file.format: open_reader(file.format, source, block_bytes=_BLOCK_BYTES)
        for file in files
    }
    with_folder = len({part.path.rpartition("/")[0] for part in chosen}) > 1
    for part in chosen:
        if len(sample.rows) >= MAX_ROWS or sample.num_bytes >= MAX_BYTES:
            sample.is_complete = False
            break
        rows = _rows(readers[part.format], part, sample)
        columns = _path_columns(part.path, with_folder=with_folder)
        _add(sample, rows, columns, MAX_ROWS // share + 1, MAX_BYTES // share + 1)
    sample.total = _total(sample, files, readers, size)
    return sample


def _spread(ranges: Sequence[FileRange]) -> list[FileRange]:
    """Returns ranges at equal distances."""
    count = min(len(ranges), _MAX_RANGES)
    return [ranges[index * len(ranges) // count] for index in range(count)]


def _rows(
    reader: Reader, part: FileRange, sample: Sample
) -> Iterator[tuple[dict[str, Any], int]]:
    """Yields rows and their sizes in bytes, and counts the bad records."""
    from textmill.components.ingester.readers.records import DeadLetter, Record

    for record in reader.read(part):
        if isinstance(record, DeadLetter):
            _count_bad(sample, reader, part, record)
        elif type(record) is Record:
            yield record.row, len(record.raw) + 1
        else:  # of a columnar file, which has no bytes of a row
            values = record.row.values()
            yield record.row, sum(len(v) for v in values if isinstance(v, str))


def _count_bad(
    sample: Sample, reader: Reader, part: FileRange, letter: DeadLetter
) -> None:
    from textmill.components.ingester.readers.encodings import fitting_encoding

    sample.num_bad += 1
    if not sample.first_bad:
        places = reader.places(part, [letter.offset]).get(letter.offset, {})
        place = "".join(f", {name} {number}" for name, number in places.items())
        sample.first_bad = f"{part.path}{place}: {letter.detail}"
    if sample.encoding is None and letter.reason in _NOT_TEXT and letter.raw:
        sample.encoding = fitting_encoding(letter.raw)


def _path_columns(path: str, *, with_folder: bool) -> dict[str, str | None]:
    """Returns the columns of Hive's folders, and ``directory`` if folders differ."""
    from textmill.components.ingester.sources.path_columns import (
        DIRECTORY,
        path_columns,
    )

    columns = path_columns(path)
    if not with_folder or len(columns) > 1:
        columns.pop(DIRECTORY, None)
    return columns


def _add(
    sample: Sample,
    rows: Iterator[tuple[dict[str, Any], int]],
    columns: dict[str, str | None],
    max_rows: int,
    max_bytes: int,
) -> None:
    """Adds the rows of a range, up to its share of the bounds."""
    num_bytes = 0
    for num_rows, (row, size) in enumerate(rows, start=1):
        sample.rows.append({**columns, **row} if columns else row)
        num_bytes += size
        if num_rows >= max_rows or num_bytes >= max_bytes:
            sample.is_complete = False
            break
    sample.num_bytes += num_bytes


def _total(
    sample: Sample,
    files: Sequence[SourceFile],
    readers: dict[str, Reader],
    size: int,
) -> int | None:
    """Returns the number of rows of all files, as far as it can be known."""
    from textmill.components.ingester.readers.compression import compression

    if sample.is_complete:
        return len(sample.rows)
    counts = [readers[file.format].num_records(file) for file in files[:_MAX_RANGES]]
    if None not in counts:
        read = sum(count or 0 for count in counts)
        return read * len(files) // len(counts)
    if not sample.num_bytes or any(compression(file.path) for file in files):
        return None
    estimate = size * len(sample.rows) // sample.num_bytes
    return int(float(f"{estimate:.2g}"))
