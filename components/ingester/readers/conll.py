"""CoNLL: a token and its tag on a line, a blank line between sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from textmill.components.ingester.readers.reader import FileRange, LineReader, Records
from textmill.components.ingester.readers.records import (
    BadRecord,
    DeadLetter,
    Line,
    parse_lines,
)
from textmill.components.ingester.readers.txt import paragraphs

_SPACES = re.compile("[ \t]+")
_DOCUMENT = b"-DOCSTART-"


class ConllReader(LineReader):
    """Reads a row of a sentence: lists of its tokens, ``text``, and ``tags``.

    Fields are between tabs where a line has one, else between spaces.
    """

    has_header = True
    can_split = False

    def parse(self, lines: Iterator[Line | DeadLetter], part: FileRange) -> Records:
        """Yields the sentences; marks of documents are left out."""
        sentences = paragraphs(map(_without_mark, lines), self.limits.max_line_bytes)
        return parse_lines(sentences, self._row)

    def _row(self, raw: bytes) -> dict[str, Any]:
        token_field = self.source.token_field or 1
        tag_field = self.source.tag_field
        tokens, tags = [], []
        for number, line in enumerate(self.decode(raw).split("\n"), 1):
            is_tabbed = "\t" in line.strip()
            fields = line.strip("\r").split("\t") if is_tabbed else []
            fields = fields or _SPACES.split(line.strip(" \t\r"))
            if len(fields) < max(2, token_field, tag_field or 1):
                raise BadRecord(
                    "fields",
                    f"line {number} of the sentence: expected a token and a tag in "
                    f"fields {token_field} and {tag_field or 'the last'}, got {line!r}",
                )
            tokens.append(fields[token_field - 1].strip())
            tags.append(fields[(tag_field or len(fields)) - 1].strip())
        return {"text": tokens, "tags": tags}


def _without_mark(line: Line | DeadLetter) -> Line | DeadLetter:
    """Returns a blank line in place of the mark of a document's beginning."""
    is_mark = isinstance(line, Line) and line.raw.startswith(_DOCUMENT)
    return Line(line.offset, b"") if is_mark else line
