"""Repetition rate: how much of a written text it has written before."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import Metric, PredictedRows
from textmill.models.metrics.words import words

_ORDER = 4


class RepetitionRate(Metric):
    """Share of the written runs of 4 words that occur earlier in the same text.

    It is seq-rep-4 of Welleck et al. (2020) with the runs of all texts in one share.
    Texts of fewer than 4 words have none; a split of such texts has the rate 0.
    """

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        return np.array([_repeated(text) for text in rows["text"]], np.float64).T


def _repeated(text: str) -> tuple[int, int]:
    """Returns the number of runs that occur earlier, and of all runs."""
    parts = words(text)
    runs = list(zip(*(parts[start:] for start in range(_ORDER)), strict=False))
    return len(runs) - len(set(runs)), len(runs)
