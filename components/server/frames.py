"""Frames between the server and a worker: a header of JSON and a body of bytes.

Eight bytes come first, the lengths of the frame's two parts as big-endian integers.
"""

from __future__ import annotations

import struct
from typing import Any

import orjson

_LENGTHS = struct.Struct(">II")
LENGTHS_SIZE = _LENGTHS.size
"""Bytes of the lengths that start a frame."""


def to_frame(header: dict[str, Any], body: bytes = b"") -> bytes:
    """Returns the bytes of a frame."""
    head = orjson.dumps(header)
    return _LENGTHS.pack(len(head), len(body)) + head + body


def read_lengths(start: bytes) -> tuple[int, int]:
    """Returns the lengths of header and body from the first bytes of a frame."""
    head, body = _LENGTHS.unpack(start)
    return head, body


def read_header(head: bytes) -> dict[str, Any]:
    """Returns the header of a frame."""
    header: dict[str, Any] = orjson.loads(head)
    return header
