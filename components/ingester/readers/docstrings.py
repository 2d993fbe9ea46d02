"""Docstrings: the documentation paragraphs of Python source, one process per batch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence

import orjson

from textmill.components.ingester.readers import python_source
from textmill.components.ingester.readers.reader import FileRange, Reader, Records
from textmill.components.ingester.readers.records import BadRecord, DeadLetter, Record
from textmill.models.errors import DataError


class DocstringsReader(Reader):
    """Reads Python source in a separate process.

    ``ast`` holds the interpreter lock, and hostile source can end its process.
    """

    def read(self, part: FileRange) -> Records:
        """Yields the paragraphs of one file."""
        for _, record in self.read_all([part]):
            yield record

    def read_all(
        self, parts: Sequence[FileRange]
    ) -> Iterator[tuple[FileRange, Record | DeadLetter]]:
        """Yields the paragraphs of several files, parsed by one process."""
        parser = subprocess.run(
            [sys.executable, "-I", "-W", "ignore", python_source.__file__],
            input=json.dumps([[part.path, part.name] for part in parts]).encode(),
            capture_output=True,
        )
        if parser.returncode:
            reason = parser.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise DataError(
                f"{parts[0].path} and {len(parts) - 1} more: reading the docstrings "
                f"ended with exit code {parser.returncode} {' '.join(reason)}"
            )
        for part, line in zip(parts, parser.stdout.splitlines(), strict=True):
            rows = orjson.loads(line)
            if isinstance(rows, str):
                with open(part.path, "rb") as file:
                    error = BadRecord("bad_python", rows)
                    yield part, DeadLetter.of(0, file.read(), error)
            else:
                for number, row in enumerate(rows):
                    yield part, Record(number, b"", row)
