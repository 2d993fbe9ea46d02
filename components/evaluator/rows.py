"""Reads predictions once: every metric's statistics by row, and the rows' columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from textmill.components.artifacts import Predictions
from textmill.models.metrics.calibration import Answers, answer_rows, answers_of
from textmill.models.metrics.confusion import confusion_cells
from textmill.models.metrics.metric import Metric, PredictedRows, PredictionFacts
from textmill.models.metrics.resampling import group_codes
from textmill.models.metrics.words import writing
from textmill.models.tasks import TASKS

Statistics = dict[str, np.ndarray]
"""float64 ``[statistics, rows]`` by metric."""


@dataclass(frozen=True, kw_only=True)
class MeasuredRows:
    """A model's answers to the rows of a split, in the order of the predictions."""

    facts: PredictionFacts
    statistics: Statistics
    ids: list[str]
    cells: np.ndarray | None = None
    """Cell of the flat confusion matrix, int64 ``[rows]``, for a label."""
    answers: Answers | None = None
    """For a label."""
    slices: dict[str, list[str]] = field(default_factory=dict)
    """Values of the slice columns."""
    groups: np.ndarray | None = None
    """Group of each row, from 0; None if rows are independent."""


def prediction_facts(predictions: Predictions) -> PredictionFacts:
    """Returns the facts that metrics need."""
    facts = predictions.facts
    size = facts["bytes"]
    texts: Iterable[str] = ()
    if TASKS[facts["task"]].target == "text":
        texts = chain.from_iterable(g["target"] for g in predictions.read_groups())
    return PredictionFacts(
        labels=tuple(facts["labels"]),
        tokens_per_byte=facts["tokens"] / size if size else None,
        writing=writing(texts),
    )


def measure_rows(
    predictions: Predictions,
    metrics: Mapping[str, Metric],
    chunks: Iterable[dict[str, Any]] | None = None,
) -> MeasuredRows:
    """Returns the measured rows of predictions.

    Args:
        predictions: the rows, and the facts about them.
        metrics: by name.
        chunks: columns to measure in place of theirs.
    """
    facts, column = prediction_facts(predictions), predictions.facts.get("group")
    has_labels = TASKS[predictions.facts["task"]].target == "label"
    parts: dict[str, list[np.ndarray]] = {}
    cells: list[np.ndarray] = []
    answers: list[Mapping[str, np.ndarray]] = []
    texts: dict[str, list[str]] = {
        name: []
        for name in ["id", *predictions.facts["slices"], *filter(None, [column])]
    }
    for chunk in predictions.read_groups() if chunks is None else chunks:
        rows = PredictedRows(chunk, facts)
        for name, values in texts.items():
            values += chunk[name]
        for name, metric in metrics.items():
            if metric.applies(rows):
                parts.setdefault(name, []).append(metric.statistics(rows))
        if has_labels:
            cells.append(confusion_cells(rows))
            answers.append(answer_rows(rows))
    return MeasuredRows(
        facts=facts,
        statistics={k: np.concatenate(part, axis=1) for k, part in parts.items()},
        ids=texts["id"],
        cells=np.concatenate(cells) if cells else None,
        answers=answers_of(answers) if answers else None,
        slices={name: texts[name] for name in predictions.facts["slices"]},
        groups=group_codes(np.array(texts[column], object)) if column else None,
    )
