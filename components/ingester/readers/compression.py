"""Decompression of gzip, zstd, bzip2 and xz as a stream, with checks of its end.

Concatenated members are legal; a truncated member, a wrong checksum and junk after the
last member are not. Memory is bounded by a block and the format's window: a decoder is
never asked for more than one block.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

import zstandard

from textmill.models.errors import DataError, IntegrityError

MAX_EXPANSION = 200
MAX_WINDOW_BYTES = 128 << 20
"""Largest window of zstd and xz; both programs' own bound by default."""

_EXPANSION_FLOOR = 1 << 20  # a small file of one repeated word is not an attack
_READ_BYTES = 1 << 16
_ZSTD_BLOCK_BYTES = 128 << 10
_SHORTEST_ZSTD_FRAME = 8  # a skippable frame of nothing
_ERRORS = (zlib.error, lzma.LZMAError, zstandard.ZstdError, OSError, ValueError)


class Decoder(Protocol):
    """One member of a compressed file, as ``bz2`` and ``lzma`` decode it."""

    eof: bool
    needs_input: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Returns the next bytes."""


class _Gzip:
    """zlib with the interface of ``bz2``: it keeps unused input."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._decoder.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        tail = self._decoder.unconsumed_tail
        return self._decoder.decompress(tail + data if tail else data, max_length)


class _Zstd:
    """One zstd frame, a block at a time.

    The library has no bound on what it returns, and four bytes can stand for 128 KiB.
    A frame is a header, then blocks that say how long they are and expand to no more
    than 128 KiB each, then a checksum (RFC 8878, section 3.1.1).
    """

    def __init__(self) -> None:
        self._decoder = zstandard.ZstdDecompressor(
            max_window_size=MAX_WINDOW_BYTES
        ).decompressobj()
        self._pending, self._position = b"", 0
        self._step: Callable[[], bytes | None] = self._header
        self._has_checksum = False
        self._skip_bytes = 0
        self.eof = False
        self.needs_input = True
        self.unused_data = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Returns the bytes of the next blocks, at most one block above max_length."""
        self._pending, self._position = self._pending[self._position :] + data, 0
        parts: list[bytes] = []
        size = 0
        while not self.eof and size < max_length:
            part = self._step()
            if part is None:
                break
            parts.append(part)
            size += len(part)
        self.needs_input = not self.eof and size < max_length
        if self.eof:
            self.unused_data = self._pending[self._position :]
        return b"".join(parts)

    def _number(self, begin: int, size: int) -> int:
        begin += self._position
        return int.from_bytes(self._pending[begin : begin + size], "little")

    def _take(self, size: int) -> bytes | None:
        """Decodes bytes once all of them have arrived."""
        end = self._position + size
        if len(self._pending) < end:
            return None
        taken = self._pending[self._position : end]
        self._position = end
        return self._decoder.decompress(taken)

    def _header(self) -> bytes | None:
        if len(self._pending) - self._position < _SHORTEST_ZSTD_FRAME:
            return None
        if self._number(0, 4) & ~0xF == 0x184D2A50:
            self._skip_bytes = 8 + self._number(4, 4)
            self._step = self._skip
            return b""
        head = self._pending[self._position : self._position + 18]
        size = zstandard.frame_header_size(head)
        if len(head) < size:
            return None
        frame = zstandard.get_frame_parameters(head)
        if frame.window_size > MAX_WINDOW_BYTES:
            raise zstandard.ZstdError(
                f"its window of {frame.window_size >> 20} MiB is above "
                f"{MAX_WINDOW_BYTES >> 20}; compress it again without --long or --ultra"
            )
        self._has_checksum = frame.has_checksum
        self._step = self._block
        return self._take(size)

    def _skip(self) -> bytes | None:
        skipped = min(self._skip_bytes, len(self._pending) - self._position)
        self._position += skipped
        self._skip_bytes -= skipped
        self.eof = not self._skip_bytes
        return b"" if self.eof else None

    def _block(self) -> bytes | None:
        if len(self._pending) - self._position < 3:
            return None
        header = self._number(0, 3)
        is_last, kind, size = header & 1, header >> 1 & 3, header >> 3
        if size > _ZSTD_BLOCK_BYTES:
            raise zstandard.ZstdError("a block longer than 128 KiB")
        size = 3 + (1 if kind == 1 else size)
        block = self._take(size + 4 if is_last and self._has_checksum else size)
        self.eof = bool(is_last) and block is not None
        return block


def _xz() -> Decoder:
    # xz -9 has a window of 64 MiB, and needs a little more memory.
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_WINDOW_BYTES + (8 << 20))


_DECODERS: dict[str, tuple[str, Callable[[], Decoder]]] = {
    ".gz": ("gzip", _Gzip),
    ".zst": ("zstd", _Zstd),
    ".bz2": ("bzip2", bz2.BZ2Decompressor),
    ".xz": ("xz", _xz),
}
ENDINGS = tuple(_DECODERS)
UNREAD = (".zip", ".7z", ".lz4", ".lzma", ".Z", ".br", ".rar", ".tar", ".tgz")
"""Endings of archives and compressions that are not read."""


def compression(path: str) -> str | None:
    """Returns the ending of a compressed file, or None."""
    return next((ending for ending in ENDINGS if path.endswith(ending)), None)


class ExpandedStream:
    """A compressed file of one or more members, read forward, its end checked."""

    def __init__(
        self, file: BinaryIO, path: str, *, size: int, max_expanded_bytes: int
    ) -> None:
        """Wraps an open file.

        Args:
            file: the compressed bytes; ``close`` closes it.
            path: its name, with the ending of its compression.
            size: its compressed size in bytes, for the bound on its expansion.
            max_expanded_bytes: another bound.
        """
        self._file, self._path = file, path
        self._name, self._new_decoder = _DECODERS[str(compression(path))]
        ratio_bound = max(size * MAX_EXPANSION, _EXPANSION_FLOOR)
        self._bound = min(max_expanded_bytes, ratio_bound)
        self._expanded = self._members = 0
        self._decoder = self._new_decoder()
        self._pending = b""

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def read(self, size: int) -> bytes:
        """Returns some decompressed bytes, about ``size`` at most, none at the end.

        Raises:
            IntegrityError: it is truncated, damaged, or has junk after its last member.
            DataError: it grows beyond its bounds.
        """
        while True:
            data = b""
            if self._decoder.eof or self._decoder.needs_input:
                data = self._pending or self._file.read(_READ_BYTES)
                self._pending = b""
                if self._decoder.eof:
                    if not data:
                        return b""
                    # Only xz may have zeros between and after its members.
                    if self._name == "xz" and not (data := data.lstrip(b"\0")):
                        continue
                    self._decoder = self._new_decoder()
                elif not data:
                    raise self._truncated()
            if block := self._expand(data, size):
                return block

    def _expand(self, data: bytes, size: int) -> bytes:
        try:
            block = self._decoder.decompress(data, size)
        except _ERRORS as error:
            raise self._damaged(error) from None
        if self._decoder.eof:
            self._pending = self._decoder.unused_data
            self._members += 1
        self._expanded += len(block)
        if self._expanded > self._bound:
            raise DataError(
                f"{self._path}: expands to more than {self._bound} bytes "
                f"(limits.max_expanded_bytes, and {MAX_EXPANSION} times its own size); "
                "decompress it yourself if you trust it"
            )
        return block

    def _truncated(self) -> IntegrityError:
        return IntegrityError(
            f"{self._path}: the {self._name} stream ends before its trailer; "
            "the file is truncated: fetch it again"
        )

    def _damaged(self, error: Exception) -> IntegrityError:
        after = " after its last member" if self._members else ""
        return IntegrityError(
            f"{self._path}: not valid {self._name}{after} ({error}); "
            "fetch the file again"
        )
