"""Reads a bounded number of rows of a source, from the beginning or spread over it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textmill.components.ingester.readers.reader import FileRange, Reader
    from textmill.components.ingester.readers.records import DeadLetter, Record
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
        columns = _path_columns(part.path, with_folder=with_folder)
        rows = _read_range(
            readers[part.format],
            part,
            sample,
            max_records=MAX_ROWS // share + 1,
            max_bytes=MAX_BYTES // share + 1,
        )
        sample.rows += ({**columns, **row} if columns else row for row in rows)
    sample.total = _total(sample, files, readers, size)
    return sample


def _spread(ranges: Sequence[FileRange]) -> list[FileRange]:
    """Returns ranges at equal distances."""
    count = min(len(ranges), _MAX_RANGES)
    return [ranges[index * len(ranges) // count] for index in range(count)]


def _read_range(
    reader: Reader, part: FileRange, sample: Sample, *, max_records: int, max_bytes: int
) -> Iterator[dict[str, Any]]:
    """Yields the rows of a range up to its share of the bounds; counts bad records."""
    from textmill.components.ingester.readers.records import DeadLetter

    num_bytes = 0
    for num_read, record in enumerate(reader.read(part), start=1):
        if isinstance(record, DeadLetter):
            _count_bad(sample, reader, part, record)
            num_bytes += record.length + 1
        else:
            num_bytes += _size(record)
            yield record.row
        if num_read >= max_records or num_bytes >= max_bytes:
            sample.is_complete = False
            break
    sample.num_bytes += num_bytes


def _size(record: Record) -> int:
    """Returns the bytes of a row, or about so many in a columnar file."""
    from textmill.components.ingester.readers.records import Record

    if type(record) is Record:
        return len(record.raw) + 1
    return sum(len(value) for value in record.row.values() if isinstance(value, str))


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
