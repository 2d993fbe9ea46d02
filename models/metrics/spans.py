"""Counts of tagged spans: predicted, true, and both."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import numpy as np

from textmill.models.metrics.metric import PredictedRows

Span = tuple[int, int, str]


def span_pairs(rows: PredictedRows) -> Iterator[tuple[set[Span], set[Span]]]:
    """Yields the predicted and the true spans of each row."""
    for columns in zip(rows["spans"], rows["target"], strict=True):
        predicted, true = (
            {(s["start"], s["end"], s["label"]) for s in json.loads(spans)}
            for spans in columns
        )
        yield predicted, true


def span_counts(rows: PredictedRows) -> np.ndarray:
    """Returns equal, predicted and true spans of each row, float64 ``[3, rows]``.

    Spans are equal if start, end and label are, as conlleval counts them (Tjong Kim
    Sang and De Meulder, 2003).
    """
    counts = [(len(a & b), len(a), len(b)) for a, b in span_pairs(rows)]
    return np.array(counts, np.float64).reshape(-1, 3).T


def counts_by_label(rows: PredictedRows) -> np.ndarray:
    """Returns ``span_counts`` of each label, float64 ``[labels, 3, rows]``."""
    number = {label: i for i, label in enumerate(rows.facts.labels)}
    counts = np.zeros((len(number), 3, len(rows)))
    for row, (predicted, true) in enumerate(span_pairs(rows)):
        for kind, spans in enumerate((predicted & true, predicted, true)):
            for label, count in Counter(label for *_, label in spans).items():
                counts[number[label], kind, row] = count
    return counts
