"""The index of documents: a row of numbers for each, so that texts cross no shuffle."""

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
"""One document: hashes of its id, text and split key, and the place of its line."""


def duplicates(rows: np.ndarray, order: np.ndarray, *keys: str) -> np.ndarray:
    """Returns a mask of the rows equal in all keys to the row before them in an order.

    Args:
        rows: of INDEX, [n].
        order: their positions, sorted by the keys, [n].
        keys: columns of INDEX.
    """
    same = np.ones(max(len(rows) - 1, 0), bool)
    for key in keys:
        values = rows[key][order]
        same &= values[1:] == values[:-1]
    mask = np.zeros(len(rows), bool)
    mask[order[1:][same]] = True
    return mask
