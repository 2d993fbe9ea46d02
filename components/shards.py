"""Shards: reads the documents of one file, all or the first ones, and writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

from textmill.models.errors import IntegrityError
from textmill.models.texts import texts_of

_BLOCK_BYTES = 1 << 20
_ZSTD_LEVEL = 3
T = TypeVar("T")


def read_batches(path: Path) -> Iterator[list[dict[str, Any]]]:
    """Yields a shard's documents in order, about a megabyte of lines at a time.

    The batches are the same on every machine. A block of lines is parsed as one list,
    because lines of JSON contain no line ends.

    Raises:
        IntegrityError: the file is damaged.
    """
    import zstandard

    try:
        yield from _read_batches(path)
    except (zstandard.ZstdError, ValueError) as error:
        raise IntegrityError(
            f"{path}: damaged ({error}); delete its folder and run again"
        ) from None


def _read_batches(path: Path) -> Iterator[list[dict[str, Any]]]:
    import zstandard

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
    import orjson

    lines = b"".join(parts).removesuffix(b"\n").replace(b"\n", b",")
    documents: list[dict[str, Any]] = orjson.loads(b"[" + lines + b"]")
    return documents


def read_shard(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the documents of one shard in order."""
    for batch in read_batches(path):
        yield from batch


@contextmanager
def open_shard(path: Path, *, size: int = -1) -> Iterator[Any]:
    """Context manager: a stream that compresses lines into a new shard.

    Args:
        path: the file.
        size: number of bytes that will be written, if known.
    """
    import zstandard

    compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True)
    with (
        path.open("wb") as file,
        compressor.stream_writer(file, size=size, closefd=False) as writer,
    ):
        yield writer


Side = Literal["all", "texts", "targets"]
"""The texts of a document, the text to write for them, as a translation, or both."""


def first_texts(path: Path, num_bytes: int, *, side: Side = "all") -> Iterator[str]:
    """Yields a shard's first texts, at least ``num_bytes`` of them.

    Documents in a shard are in the order of a hash, so its first texts are a fair
    sample.
    """
    for document in read_shard(path):
        texts = texts_of(document) if side != "targets" else []
        if side != "texts" and (target := document.get("target_text")) is not None:
            texts.append(target)
        num_bytes -= sum(len(text.encode()) for text in texts)
        yield from texts
        if num_bytes <= 0:
            return


def group(
    items: Iterable[T], size_of: Callable[[T], int], *, least: int
) -> Iterator[list[T]]:
    """Yields lists of successive items whose sizes add up to ``least`` or more."""
    batch: list[T] = []
    size = 0
    for item in items:
        batch.append(item)
        size += size_of(item)
        if size >= least:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
