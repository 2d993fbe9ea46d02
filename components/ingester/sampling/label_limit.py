"""Limits the documents of a label; documents are chosen by hash of their id."""

from __future__ import annotations

import numpy as np

from textmill.components.ingester.documents import duplicates


def over_label_limit(rows: np.ndarray, source: int, limit: int) -> np.ndarray:
    """Returns a mask of the rows beyond the limit of their label.

    Args:
        rows: of INDEX, [n].
        source: the number of the source that the limit is for.
        limit: documents a label.
    """
    in_source = np.flatnonzero((rows["source"] == source) & (rows["label"] >= 0))
    group = rows[in_source]
    keys = ("id_low", "id_high", "order", "label")
    order = np.lexsort([group[key] for key in keys])
    first = np.flatnonzero(~duplicates(group, order, "label")[order])
    sizes = np.diff([*first, len(group)])
    rank = np.arange(len(group)) - np.repeat(first, sizes)
    mask = np.zeros(len(rows), bool)
    mask[in_source[order]] = rank >= limit
    return mask
