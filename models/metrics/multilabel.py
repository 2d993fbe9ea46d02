"""Hits, chosen and true labels, of rows with any number of labels."""

from __future__ import annotations

import numpy as np

from textmill.models.metrics.metric import PredictedRows


def label_hits(rows: PredictedRows) -> np.ndarray:
    """Returns hits, chosen and true labels, bool ``[3, rows, labels]``."""
    chosen, true = rows["chosen"] > 0, rows["target"] > 0
    return np.stack([chosen & true, chosen, true])


def hits_by_label(rows: PredictedRows) -> np.ndarray:
    """Returns ``label_hits`` of each label, float64 ``[labels, 3, rows]``."""
    return label_hits(rows).transpose(2, 0, 1).astype(np.float64)


def f1_scores(hits: np.ndarray, chosen: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Returns F1 of counts; 0 where undefined."""
    scores: np.ndarray = 2 * hits / np.maximum(chosen + true, 1)
    return scores
