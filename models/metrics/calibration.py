"""Calibration of a classifier's probabilities, and the errors of its confident answers.

The confidence of an answer is the probability of its label. A calibrated model is right
as often as its confidence says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textmill.models.metrics.intervals import Interval
from textmill.models.metrics.metric import (
    Metric,
    PredictedRows,
    PredictionFacts,
    ShareMetric,
)
from textmill.models.metrics.resampling import Resamples, widen

NUM_BINS = 15
_NUM_POINTS = 100


@dataclass(frozen=True)
class Answers:
    """The answers to all rows of a split."""

    confidence: np.ndarray
    """Probability of the answered label, float64 ``[rows]``."""
    wrong: np.ndarray
    """1 for a wrong answer, float64 ``[rows]``."""
    brier: np.ndarray
    """Squared distance of probabilities and truth, float64 ``[rows]``."""
    confident: np.ndarray | None
    """Answers that the model stands by, bool ``[rows]``; None if it never abstains."""


def answer_rows(rows: PredictedRows) -> dict[str, np.ndarray]:
    """Returns the columns of rows that ``answers_of`` reads."""
    names = ("target", "probabilities", "confident")
    return {name: rows[name] for name in names if name in rows}


def answers_of(parts: list[Mapping[str, np.ndarray]]) -> Answers:
    """Returns the answers of row groups of predictions, in order.

    Args:
        parts: ``target`` ``[rows]``, ``probabilities`` ``[rows, labels]`` and, from
            models that abstain, ``confident`` ``[rows]``.
    """
    columns = [_answer_columns(part) for part in parts]
    joined = {k: np.concatenate([c[k] for c in columns]) for k in columns[0]}
    return Answers(**{"confident": None} | joined)


def _answer_columns(part: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    probabilities = part["probabilities"].astype(np.float64)
    rows, target = np.arange(len(probabilities)), part["target"]
    # sum over labels of (p - y)^2, where y is 1 for the target
    squares = (probabilities**2).sum(axis=1) - 2 * probabilities[rows, target] + 1
    columns = {
        "confidence": probabilities.max(axis=1),
        "wrong": (probabilities.argmax(axis=1) != target).astype(np.float64),
        "brier": squares,
    }
    return columns | ({"confident": part["confident"]} if "confident" in part else {})


def calibration_scores(
    answers: Answers, *, groups: np.ndarray | None, seed: int
) -> dict[str, Any]:
    """Returns calibration error and Brier score with intervals.

    Also ``ece_by_chance``, the error that a calibrated model with these confidences
    shows on average: a bin of few rows is never exactly as right as it should be.

    Args:
        answers: of all rows.
        groups: the group of each row, from 0; None for independent rows.
        seed: seed of the resamples.
    """
    bins = _bins(answers.confidence)
    excess = answers.confidence - (1 - answers.wrong)
    by_bin = np.zeros((len(excess), NUM_BINS))
    by_bin[np.arange(len(excess)), bins] = excess

    def error(counts: np.ndarray) -> np.ndarray:
        total = np.maximum(counts.sum(axis=1), 1.0)
        return np.abs(counts @ by_bin).sum(axis=1) / total

    brier = Metric().interval_of_groups(
        np.stack([answers.brier, np.ones_like(answers.brier)]),
        PredictionFacts(),
        groups=groups,
        seed=seed,
    )
    return {
        "ece": _interval(
            float(error(np.ones((1, len(excess))))[0]),
            error,
            _drawings(len(excess), groups, seed),
            centred=True,
        ),
        "ece_by_chance": _error_by_chance(answers.confidence, bins, seed=seed),
        "brier": brier,
    }


def _bins(confidence: np.ndarray) -> np.ndarray:
    """Returns the bin of each row; bins hold as many rows each, but for ties."""
    _, value, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts + 1) // 2
    bins: np.ndarray = (middle * NUM_BINS // max(1, len(confidence)))[value]
    return bins


def _interval(
    value: float,
    resampled: Callable[[np.ndarray], np.ndarray],
    drawings: Sequence[Resamples],
    *,
    centred: bool = False,
) -> Interval:
    """Returns a value with bounds that hold for every way of drawing.

    Resamples of an absolute error lie above it: centred ones are moved back to it.
    """
    interval = dict.fromkeys(("value", "low", "high"), value)
    for resamples in drawings:
        values = resamples.map(resampled)
        bounds = resamples.bounds(values)
        low, high = bounds - (values.mean() - value) if centred else bounds
        interval = widen(interval, max(0.0, low), high)
    return interval


def _drawings(
    num_rows: int, groups: np.ndarray | None, seed: int
) -> Sequence[Resamples]:
    """Returns resamples of rows and, if there are several, of groups."""
    rows, of_groups = Resamples(num_rows, None, seed), Resamples(num_rows, groups, seed)
    return [rows, of_groups] if of_groups.has_groups else [rows]


def _error_by_chance(confidence: np.ndarray, bins: np.ndarray, *, seed: int) -> float:
    generator = np.random.Generator(np.random.PCG64([seed, 6]))
    errors = []
    for _ in range(100):
        right = generator.random(len(confidence)) < confidence
        sums = np.bincount(bins, confidence - right, minlength=NUM_BINS)
        errors.append(np.abs(sums).sum() / len(confidence))
    return float(np.mean(errors))


def reliability(answers: Answers) -> list[dict[str, float]]:
    """Returns confidence and accuracy of each bin, the least confident first."""
    bins = _bins(answers.confidence)
    table = []
    for number in np.unique(bins):
        rows = bins == number
        table.append(
            {
                "rows": int(rows.sum()),
                "lowest": float(answers.confidence[rows].min()),
                "highest": float(answers.confidence[rows].max()),
                "confidence": float(answers.confidence[rows].mean()),
                "accuracy": float(1 - answers.wrong[rows].mean()),
            }
        )
    return table


def risk_coverage(
    answers: Answers, *, groups: np.ndarray | None, seed: int
) -> dict[str, Any]:
    """Returns the error among the most confident answers, by the share of them.

    Rows of one confidence count as in a random order. ``aurc`` is the mean error over
    all shares (Geifman et al., 2019).

    Args:
        answers: of all rows.
        groups: the group of each row, from 0; None for independent rows.
        seed: seed of the resamples.
    """
    order = np.argsort(-answers.confidence, kind="stable")
    confidence, num_rows = answers.confidence[order], len(order)
    ends = np.flatnonzero(np.append(np.diff(confidence) != 0, True)) + 1
    wrong = np.cumsum(answers.wrong[order])[ends - 1]
    taken = np.arange(1, num_rows + 1)
    risks = np.interp(taken, [0, *ends], [0.0, *wrong]) / taken

    def area(counts: np.ndarray) -> np.ndarray:
        counts = counts[:, order]
        wrong = np.cumsum(counts * answers.wrong[order], axis=1)
        risks = wrong / np.maximum(np.cumsum(counts, axis=1), 1.0)
        total = np.maximum(counts.sum(axis=1), 1.0)
        return (counts * risks).sum(axis=1) / total

    shares = np.arange(1, _NUM_POINTS + 1) / _NUM_POINTS
    points = np.unique(np.ceil(shares * num_rows).astype(np.int64))
    drawings = _drawings(num_rows, groups, seed)
    return {
        "aurc": _interval(float(risks.mean()), area, drawings),
        "curve": [[float(k / num_rows), float(risks[k - 1])] for k in points],
    }


def confident_answers(
    answers: Answers, *, groups: np.ndarray | None, seed: int
) -> dict[str, Interval]:
    """Returns ``error`` among the answers that the model stands by, and ``coverage``.

    Args:
        answers: of all rows, with ``confident``.
        groups: the group of each row, from 0; None for independent rows.
        seed: seed of the resamples.
    """
    assert answers.confident is not None
    confident = answers.confident.astype(np.float64)
    ratios = {
        "error": (confident * answers.wrong, confident),
        "coverage": (confident, np.ones_like(confident)),
    }
    return {
        name: ShareMetric().interval_of_groups(
            np.stack(ratio), PredictionFacts(), groups=groups, seed=seed
        )
        for name, ratio in ratios.items()
    }


def calibration(
    answers: Answers, *, groups: np.ndarray | None = None, seed: int
) -> dict[str, Any]:
    """Returns scores, ``reliability``, ``risk_coverage`` and, if any, ``confident``."""
    result = calibration_scores(answers, groups=groups, seed=seed)
    result |= {
        "reliability": reliability(answers),
        "risk_coverage": risk_coverage(answers, groups=groups, seed=seed),
    }
    if answers.confident is not None:
        result["confident"] = confident_answers(answers, groups=groups, seed=seed)
    return result
