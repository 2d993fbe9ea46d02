"""The index of documents: one row of numbers a document, in place of its text."""

from __future__ import annotations

import numpy as np

INDEX = np.dtype(
    [
        ("order", "<u8"),
        ("id_high", "<u8"),
        ("id_low", "<u8"),
        ("text_high", "<u8"),
        ("text_low", "<u8"),
        ("group", "<u8"),
        ("offset", "<u8"),
        ("length", "<u8"),
        ("text_bytes", "<u8"),
        ("part", "<u4"),
        ("number", "<u4"),
        ("label", "<i4"),
        ("source", "<u2"),
        ("split", "u1"),
        ("contaminated", "?"),
    ]
)
"""One document: hashes of its id, text and split key, and where its line lies."""
