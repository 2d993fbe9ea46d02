"""Written texts next to their references: those least alike, and the first rows."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice
from typing import Any

from textmill.components.artifacts import Documents, Predictions
from textmill.components.reporter.shortened_texts import read_texts, shorten
from textmill.models.metrics import METRICS
from textmill.models.metrics.metric import PredictedRows, PredictionFacts


def read_written(
    predictions: Predictions, documents: Documents, *, count: int
) -> dict[str, list[dict[str, Any]]]:
    """Returns some ``worst_written`` and ``written``: source, reference, text, chrF.

    The worst have the lowest chrF; ``written`` are the first documents of the split,
    whose order is that of a hash.
    """
    worst = heapq.nsmallest(
        count, _rows(predictions), key=lambda row: (row["chrf"], row["id"])
    )
    first = list(islice(_rows(predictions), count))
    texts = read_texts(predictions, documents, {row["id"] for row in [*worst, *first]})
    return {
        name: [{**row, "source": texts[row["id"]]} for row in rows]
        for name, rows in (("worst_written", worst), ("written", first))
    }


def _rows(predictions: Predictions) -> Iterator[dict[str, Any]]:
    chrf, facts = METRICS["chrf"].load(), PredictionFacts()
    for group in predictions.read_groups():
        pairs = {name: group[name] for name in ("text", "target")}
        statistics = chrf.statistics(PredictedRows(pairs, facts))
        values = chrf.of_sums(statistics.T, facts).tolist()
        rows = zip(group["id"], *pairs.values(), values, strict=True)
        for id, text, reference, value in rows:
            yield {
                "id": id,
                "text": shorten(text),
                "reference": shorten(reference),
                "chrf": round(value, 1),
            }
