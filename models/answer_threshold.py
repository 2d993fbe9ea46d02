"""The threshold of "no answer": the score with the most exact answers."""

from __future__ import annotations

import numpy as np

ALWAYS = -1e8
"""A threshold below the score of every span."""


def tune_threshold(
    score: np.ndarray, right: np.ndarray, has: np.ndarray, *, document: np.ndarray
) -> float:
    """Returns the threshold with the most right documents, the lowest of equal ones.

    A document is right if its window of the highest score is at or above the threshold
    and right, or if it has no answer and no window is.

    Args:
        score: of the best span of each window, ``[windows]``.
        right: whether this span is the answer, bool ``[windows]``.
        has: whether the window holds the answer, bool ``[windows]``.
        document: number of each window's document from 0, in order, ``[windows]``.
    """
    order = np.lexsort((-score, document))
    opens = np.flatnonzero(np.diff(document[order], prepend=-1))
    best = order[opens]
    is_answerable = np.bincount(document, has) > 0
    score, is_right = score[best], right[best] & is_answerable
    ascending = np.argsort(score, kind="stable")
    ordered = score[ascending].astype(np.float64)
    # Below each score: answers above are right, and silence about those below.
    silent = np.concatenate([[0], np.cumsum(~is_answerable[ascending])])
    answered = np.concatenate([np.cumsum(is_right[ascending][::-1])[::-1], [0]])
    total = silent + answered  # [documents + 1]
    is_boundary = np.concatenate([[True], np.diff(ordered) > 0, [True]])
    number = int(np.argmax(np.where(is_boundary, total, -1)))
    if number == 0:
        return ALWAYS
    if number == len(ordered):
        return float(np.nextafter(np.float32(ordered[-1]), np.float32(np.inf)))
    return float((ordered[number - 1] + ordered[number]) / 2)
