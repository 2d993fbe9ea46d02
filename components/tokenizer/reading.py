"""Reading: a shard of documents in batches of about a megabyte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import zstandard

_BLOCK_BYTES = 1 << 20


def read_batches(path: Path) -> Iterator[list[dict[str, Any]]]:
    """Yields the documents of a shard in order, the same batches wherever it is read.

    A block of lines is parsed as one list: lines of JSON hold no line ends.
    """
    with path.open("rb") as file:
        stream = zstandard.ZstdDecompressor().stream_reader(file)
        rest: list[bytes] = []
        while block := stream.read(_BLOCK_BYTES):
            end = block.rfind(b"\n") + 1
            if end:
                yield _parse([*rest, block[:end]])
                rest = []
            if end < len(block):
                rest.append(block[end:])
        if rest:
            yield _parse(rest)


def _parse(parts: list[bytes]) -> list[dict[str, Any]]:
    lines = b"".join(parts).removesuffix(b"\n").replace(b"\n", b",")
    found: list[dict[str, Any]] = orjson.loads(b"[" + lines + b"]")
    return found
