"""TFRecord files of tf.Example, read without TensorFlow.

A file is a row of frames: the length (8 bytes, little-endian), its masked CRC-32C, the
record, and the record's masked CRC-32C. Damage and truncation are certain, so they stop
the run; a record without a tf.Example, or with text that is not UTF-8, becomes a dead
letter.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection, Iterator
from typing import Any

import google_crc32c
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from textmill.components.ingester.readers.reader import FileRange, Reader, Records
from textmill.components.ingester.readers.records import (
    BadRecord,
    DeadLetter,
    Line,
    LongRecord,
    Record,
)
from textmill.components.ingester.readers.streams import Stream
from textmill.models.errors import IntegrityError

_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_CHUNK = 1 << 20
_MASK_DELTA = 0xA282EAD8


class TFRecordReader(Reader):
    """Reads a row from every tf.Example; its offset is that of the frame."""

    def read(self, part: FileRange) -> Records:
        """Yields the examples of a file.

        Examples longer than limits.max_line_bytes are skipped and become dead letters;
        bytes that are not UTF-8 are left out of columns that no document needs.

        Raises:
            IntegrityError: the file was truncated, or a checksum is wrong.
        """
        max_bytes, needed = self.limits.max_line_bytes, self.needed_columns
        with self.open(part) as stream:
            for frame in read_frames(stream, part.path, max_bytes=max_bytes):
                yield frame if isinstance(frame, DeadLetter) else _record(frame, needed)


def _record(frame: Line, needed: Collection[str]) -> Record | DeadLetter:
    try:
        return Record(frame.offset, frame.raw, decode_example(frame.raw, needed))
    except BadRecord as error:
        return DeadLetter.of(frame.offset, frame.raw, error)


class _Frames:
    """Reads exact sizes from a stream."""

    def __init__(self, stream: Stream, path: str) -> None:
        self._stream, self._path = stream, path
        self._pending, self._position = b"", 0
        self.offset = 0

    def take(self, size: int) -> bytes:
        """Returns this many bytes, or none at the end of the file."""
        while len(self._pending) - self._position < size:
            chunk = self._stream.read(max(_CHUNK, size))
            rest = self._pending[self._position :]
            if not chunk:
                if rest:
                    self.offset += len(rest)
                    raise self.truncated()
                return b""
            self._pending, self._position = rest + chunk, 0
        taken = self._pending[self._position : self._position + size]
        self._position += size
        self.offset += size
        return taken

    def truncated(self) -> IntegrityError:
        return IntegrityError(
            f"{self._path}: ends inside a record, at byte {self.offset}; the file is "
            "truncated: fetch it again"
        )

    def damaged(self, what: str, offset: int) -> IntegrityError:
        return IntegrityError(
            f"{self._path}: the checksum of the {what} at byte {offset} is wrong; the "
            "file is damaged, or not a TFRecord file: fetch it again"
        )

    def skip(self, offset: int, length: int, max_bytes: int) -> DeadLetter:
        record, crc, left = LongRecord(offset, max_bytes), 0, length
        while left:
            chunk = self.take(min(left, _CHUNK))
            if not chunk:
                raise self.truncated()
            record.add(chunk)
            crc = google_crc32c.extend(crc, chunk)
            left -= len(chunk)
        stored = self.take(_CHECKSUM.size)
        if not stored:
            raise self.truncated()
        if _CHECKSUM.unpack(stored) != (mask(crc),):
            raise self.damaged("record", offset)
        return record.letter()


def read_frames(
    stream: Stream, path: str, *, max_bytes: int
) -> Iterator[Line | DeadLetter]:
    """Yields the records of a TFRecord file with the offset of their frames.

    Raises:
        IntegrityError: the file is truncated, or a checksum is wrong.
    """
    frames = _Frames(stream, path)
    while True:
        offset = frames.offset
        header = frames.take(_HEADER.size)
        if not header:
            return
        length, stored = _HEADER.unpack(header)
        if stored != mask(google_crc32c.value(header[:8])):
            raise frames.damaged("length", offset)
        if length > max_bytes:
            yield frames.skip(offset, length, max_bytes)
            continue
        framed = frames.take(length + _CHECKSUM.size)
        if not framed:
            raise frames.truncated()
        record = framed[:length]
        [stored] = _CHECKSUM.unpack_from(framed, length)
        if stored != mask(google_crc32c.value(record)):
            raise frames.damaged("record", offset)
        yield Line(offset, record)


def mask(crc: int) -> int:
    """Returns a CRC-32C as TFRecord stores it (tensorflow/core/lib/hash/crc32c.h)."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def decode_example(raw: bytes, needed: Collection[str]) -> dict[str, Any]:
    """Returns the features of one value as plain columns, those of several as lists.

    Raises:
        BadRecord: bad_example, invalid_utf8 or not_finite.
    """
    try:
        features = Example.FromString(raw).features.feature
        row: dict[str, Any] = {}
        for name, feature in sorted(features.items()):
            kind = feature.WhichOneof("kind")
            values = getattr(feature, kind).value if kind else ()
            row[name] = values[0] if len(values) == 1 else list(values) or None
    except DecodeError as error:
        raise BadRecord("bad_example", f"not a tf.Example: {error}") from None
    return plain(row, needed)


def plain(row: dict[str, Any], needed: Collection[str]) -> dict[str, Any]:
    """Returns a row with bytes as text, without optional columns that are not UTF-8.

    A number that is not finite is left out of optional columns, too; in a needed one
    NaN, as pandas writes a missing value, becomes None.

    Raises:
        BadRecord: invalid_utf8 or not_finite in a needed column.
    """
    for name, value in list(row.items()):
        if type(value) is bytes or (type(value) is list and name in needed):
            try:
                row[name] = _text_of(value)
            except UnicodeDecodeError as error:
                if name in needed:
                    raise BadRecord(
                        "invalid_utf8",
                        f"column {name!r}, byte {error.start}: {error.reason}",
                    ) from None
                del row[name]
        elif type(value) is float and not math.isfinite(value):
            if name not in needed:
                del row[name]
            elif math.isnan(value):
                row[name] = None
            else:
                raise BadRecord("not_finite", f"column {name!r}: {value}")
    return row


def _text_of(value: Any) -> Any:
    if type(value) is list:
        return [_text_of(item) for item in value]
    return value.decode() if type(value) is bytes else value


def _example_class() -> Any:
    """Builds tf.Example from its schema, in a pool separate from TensorFlow's."""
    file = descriptor_pb2.FileDescriptorProto(
        name="textmill_example.proto", package="textmill", syntax="proto3"
    )
    field = descriptor_pb2.FieldDescriptorProto
    repeated, single = field.LABEL_REPEATED, field.LABEL_OPTIONAL

    def add(holder: Any, name: str, number: int, kind: int, label: int, of: str) -> Any:
        of = of and f".textmill.{of}"
        return holder.field.add(
            name=name, number=number, type=kind, label=label, type_name=of or None
        )

    lists = {
        "BytesList": ("bytes_list", field.TYPE_BYTES),
        "FloatList": ("float_list", field.TYPE_FLOAT),
        "Int64List": ("int64_list", field.TYPE_INT64),
    }
    feature = descriptor_pb2.DescriptorProto(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, (member, kind)) in enumerate(lists.items(), start=1):
        add(file.message_type.add(name=name), "value", 1, kind, repeated, "")
        of_kind = add(feature, member, number, field.TYPE_MESSAGE, single, name)
        of_kind.oneof_index = 0
    file.message_type.append(feature)
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    add(entry, "key", 1, field.TYPE_STRING, single, "")
    add(entry, "value", 2, field.TYPE_MESSAGE, single, "Feature")
    inner = "Features.FeatureEntry"
    add(features, "feature", 1, field.TYPE_MESSAGE, repeated, inner)
    example = file.message_type.add(name="Example")
    add(example, "features", 1, field.TYPE_MESSAGE, single, "Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName("textmill.Example")
    )


Example = _example_class()
"""tensorflow/core/example/example.proto, wire-compatible."""
