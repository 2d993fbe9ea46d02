"""The lowest score at which a label is part of an answer, one for each label.

Thresholds are tuned for F1 on held-out documents. Those of rare labels would follow
single documents (Fan and Lin, 2007, "A Study on Threshold Selection for Multi-label
Classification"), so every label also counts some documents of all labels.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

_SHARED = 10.0
"""Documents of a label that the documents of all labels weigh as much as."""
_GRID = np.round(np.linspace(-6.0, 6.0, 121), 1)
"""Logits of the thresholds to choose from."""
_DEFAULT = 0.5


def tune_thresholds(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns the threshold of each label with the highest F1, float32 ``[labels]``.

    Of equally good ones it is the one closest to 0.5, as without documents.

    Args:
        scores: float32 ``[rows, labels]``, from 0 to 1.
        targets: 1 where a row has a label, ``[rows, labels]``.
    """
    grid = expit(_GRID).astype(np.float32)
    grid = grid[np.argsort(np.abs(_GRID), kind="stable")]  # 0.5 first
    num_labels = targets.shape[1]
    true = (targets > 0).sum(axis=0).astype(np.float64)
    if not true.any():
        return np.full(num_labels, _DEFAULT, np.float32)
    hits, chosen = np.zeros((2, len(grid), num_labels))
    for i, threshold in enumerate(grid):
        above = scores >= threshold
        chosen[i], hits[i] = above.sum(axis=0), (above & (targets > 0)).sum(axis=0)
    share = _SHARED / true.sum()
    hits += share * hits.sum(axis=1, keepdims=True)
    chosen += share * chosen.sum(axis=1, keepdims=True)
    f1 = 2 * hits / (chosen + true + _SHARED)  # [grid, labels]
    return grid[f1.argmax(axis=0)]
