"""tf.Example: the same rows for other programs.

Every column of ``RowSchema.unpack`` is a list of its name, of int64 or for numbers of
float, readable by ``tf.io.parse_single_example``.
"""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
import tensorflow as tf

from textmill.models.rows import RowSchema, masked_crc


def write_examples(file: BinaryIO, schema: RowSchema, rows: np.ndarray) -> None:
    """Appends rows ``[n]`` of ``schema.dtype`` as TFRecords of tf.Example."""
    columns = schema.unpack(rows)
    for i in range(len(rows)):
        example = tf.train.Example()
        for name in sorted(columns):
            values = np.atleast_1d(columns[name][i]).tolist()
            feature = example.features.feature[name]
            is_float = columns[name].dtype.kind == "f"
            numbers = feature.float_list if is_float else feature.int64_list
            numbers.value.extend(values)
        data = example.SerializeToString(deterministic=True)
        size = len(data).to_bytes(8, "little")
        for part in (size, data):
            file.write(part + masked_crc(part).to_bytes(4, "little"))
