"""TensorFlow Datasets: prepared TFRecord shards, with the names of their classes."""

from __future__ import annotations

import os

from textmill.components.ingester.readers.reader import FileRange, Records
from textmill.components.ingester.readers.records import (
    BadRecord,
    DeadLetter,
    name_classes,
)
from textmill.components.ingester.readers.tfrecord import TFRecordReader
from textmill.components.ingester.sources.tfds import read_prepared
from textmill.models.errors import IntegrityError


class TfdsReader(TFRecordReader):
    """Reads the shards of a prepared data set."""

    def read(self, part: FileRange) -> Records:
        """Yields the examples of a shard, class numbers replaced by names.

        Raises:
            IntegrityError: the shard has fewer or more examples than tfds wrote.
        """
        folder, name = os.path.split(part.path)
        prepared = read_prepared(folder)
        count = 0
        for record in super().read(part):
            count += 1
            if isinstance(record, DeadLetter):
                yield record
                continue
            for flag in prepared.flags & record.row.keys():
                record.row[flag] = bool(record.row[flag])
            try:
                yield record._replace(row=name_classes(record.row, prepared.labels))
            except BadRecord as error:
                yield DeadLetter.of(record.offset, record.raw, error)
        _, expected = prepared.shards[name]
        if count != expected:
            raise IntegrityError(
                f"{part.path}: expected {expected} examples, found {count}; prepare "
                "the data set again"
            )
