"""Spill files: the lines of documents on disk, read and edited by row of the index."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Self

import numpy as np
import orjson

from textmill.components.scratch import cached_path, uploading
from textmill.models.texts import texts_of

Edit = Callable[[int, dict[str, Any]], None]
"""Takes a row's position and its document, and changes the document in place."""


class SpillFiles:
    """Reads the documents of rows of INDEX."""

    def __init__(self, places: list[str]) -> None:
        self._places = places
        self._maps: dict[int, mmap.mmap] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def document(self, row: np.void) -> dict[str, Any]:
        """Returns the document of a row."""
        part, begin = int(row["part"]), int(row["offset"])
        if part not in self._maps:
            with cached_path(self._places[part]).open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._maps[part] = self._stack.enter_context(mapped)
        document: dict[str, Any] = orjson.loads(
            self._maps[part][begin : begin + int(row["length"])]
        )
        return document


def rewrite(
    rows: np.ndarray, places: list[str], edits: dict[int, list[Edit]], target: str
) -> None:
    """Writes edited lines to a new spill file, the last of the places.

    Rows then point to their new lines.
    """
    with (
        SpillFiles(list(places)) as spills,
        uploading(target) as path,
        path.open("wb") as file,
    ):
        for index, changes in edits.items():
            document = spills.document(rows[index])
            for change in changes:
                change(index, document)
            line = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
            rows["part"][index], rows["offset"][index] = len(places), file.tell()
            rows["length"][index] = len(line)
            num_bytes = sum(len(text.encode()) for text in texts_of(document))
            rows["text_bytes"][index] = num_bytes
            file.write(line)
    places.append(target)
