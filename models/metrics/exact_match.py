"""Exact match: the share of written texts that are the reference, word for word."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from textmill.models.metrics.metric import PredictedRows, ShareMetric
from textmill.models.metrics.words import words


class ExactMatch(ShareMetric):
    """Share of texts with the words of the reference, whatever case and punctuation.

    Texts without any word (only signs) are compared as they are.
    """

    @override
    def statistics(self, rows: PredictedRows) -> np.ndarray:
        pairs = zip(rows["text"], rows["target"], strict=True)
        hits = [_is_same(text, reference) for text, reference in pairs]
        return np.stack([np.array(hits, np.float64), np.ones(len(rows))])


def _is_same(text: str, reference: str) -> bool:
    wanted = words(reference)
    if not wanted:
        return text.strip() == reference.strip()
    return words(text) == wanted
