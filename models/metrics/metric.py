"""Base classes of metrics: statistics by row, the value of their sums, an interval.

Statistics add up over rows, so one pass over the predictions serves the whole split,
every slice and every bootstrap resample. A metric that does not add up (an area under a
curve) is a ``WholeMetric``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from typing_extensions import override

from textmill.models.metrics.intervals import (
    Interval,
    bootstrap_counts,
    bootstrap_ratio,
    bootstrap_rows,
    bootstrap_sums,
    wilson,
)
from textmill.models.metrics.resampling import Resamples, widen
from textmill.models.metrics.words import Writing


@dataclass(frozen=True)
class PredictionFacts:
    """Facts about the predictions of a split."""

    labels: tuple[str, ...] = ()
    """Label names in the order of their indices."""
    tokens_per_byte: float | None = None
    """Tokens of the split divided by its bytes of text."""
    writing: Writing = "spaced"
    """How the texts of the targets are written, for metrics of texts."""


@dataclass(frozen=True)
class PredictedRows:
    """Predictions of some rows, by column.

    ``target`` is there for tasks with a target: int32 ``[rows]`` for a label, uint8
    ``[rows, labels]`` for labels, float32 ``[rows]`` for a number. Classifiers have
    ``probabilities``, float32 ``[rows, labels]``; multilabel classifiers ``scores``,
    float32, and ``chosen``, uint8, both ``[rows, labels]``; regressions ``number``,
    float32 ``[rows]``; retrieval ``rank`` from 1, int32 ``[rows]``; language models
    the sums ``loss`` (nats), ``weight`` and ``correct`` of each row, float32
    ``[rows]``; taggers ``spans``, a JSON list of starts, ends and labels, which
    ``target`` is as well; tasks that write have ``text``, and the reference as
    ``target``, both strings.
    """

    columns: dict[str, np.ndarray]
    facts: PredictionFacts = field(default_factory=PredictionFacts)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def __getitem__(self, column: str) -> np.ndarray:
        return self.columns[column]


class Metric:
    """Base class: the ratio of two sums over rows, with its bootstrap interval."""

    def applies(self, rows: PredictedRows) -> bool:
        """Returns False if the columns it needs are absent, for an optional metric."""
        return True

    def statistics(self, rows: PredictedRows) -> np.ndarray:
        """Returns float64 ``[statistics, rows]``: here numerator and denominator."""
        raise NotImplementedError

    def signature(self, facts: PredictionFacts) -> str | None:
        """Returns the settings that a published value states, or None."""
        return None

    def value(self, ratio: float, facts: PredictionFacts) -> float:
        """Maps the ratio of the sums to the value, by an increasing function."""
        return ratio

    def resampled(
        self, statistics: np.ndarray, counts: np.ndarray, facts: PredictionFacts
    ) -> np.ndarray:
        """Returns the value of each draw, ``[draws]``.

        Args:
            statistics: of all rows.
            counts: how often a draw takes each row, ``[draws, rows]``.
            facts: facts about the predictions.
        """
        top, bottom = (counts @ statistics.T).T
        ratios = top / np.maximum(bottom, 1e-12)
        return np.array([self.value(float(ratio), facts) for ratio in ratios])

    def interval(
        self, statistics: np.ndarray, facts: PredictionFacts, *, seed: int
    ) -> Interval:
        """Returns the value over all rows with its 95 % bounds."""
        ratio = bootstrap_ratio(statistics[0], statistics[1], seed=seed)
        return {name: self.value(bound, facts) for name, bound in ratio.items()}

    def interval_of_groups(
        self,
        statistics: np.ndarray,
        facts: PredictionFacts,
        *,
        groups: np.ndarray | None,
        seed: int,
    ) -> Interval:
        """Returns the interval if rows of a group belong together.

        It is never narrower than that of independent rows, which a bootstrap of a few
        groups, or of groups without a mistake, would be.

        Args:
            statistics: of all rows.
            facts: facts about the predictions.
            groups: the group of each row from 0; None for independent rows.
            seed: seed of the resamples.
        """
        rows = self.interval(statistics, facts, seed=seed)
        resamples = Resamples(statistics.shape[1], groups, seed)
        if not resamples.has_groups:
            return rows
        values = resamples.map(lambda c: self.resampled(statistics, c, facts))
        return widen(rows, *resamples.bounds(values))


class ShareMetric(Metric):
    """Base class: a share of rows, each of which counts once or not at all.

    Such rows are independent trials, so its interval is Wilson's.
    """

    @override
    def interval(
        self, statistics: np.ndarray, facts: PredictionFacts, *, seed: int
    ) -> Interval:
        return wilson(*map(float, statistics.sum(axis=1)))


class SumMetric(Metric):
    """Base class: a function of any number of sums over rows.

    ``statistics`` are the terms of the sums, float64 ``[statistics, rows]``.
    """

    def of_sums(self, sums: np.ndarray, facts: PredictionFacts) -> np.ndarray:
        """Maps sums ``[..., statistics]`` to values ``[...]``."""
        raise NotImplementedError

    @override
    def resampled(
        self, statistics: np.ndarray, counts: np.ndarray, facts: PredictionFacts
    ) -> np.ndarray:
        return self.of_sums(counts @ statistics.T, facts)

    @override
    def interval(
        self, statistics: np.ndarray, facts: PredictionFacts, *, seed: int
    ) -> Interval:
        """Returns the value of all sums with its 95 % bootstrap bounds."""
        return bootstrap_sums(statistics, lambda s: self.of_sums(s, facts), seed=seed)


def cell_counts(cells: np.ndarray, counts: np.ndarray, size: int) -> np.ndarray:
    """Returns the rows of each cell in each draw, float64 ``[draws, size]``.

    Args:
        cells: the cell of each row, int ``[rows]``.
        counts: how often a draw takes each row, ``[draws, rows]``.
        size: number of cells.
    """
    flat = np.arange(len(counts))[:, None] * size + cells
    length = len(counts) * size
    summed = np.bincount(flat.ravel(), counts.ravel(), minlength=length)
    return summed.reshape(len(counts), size)


class CountMetric(Metric):
    """Base class: a function of counts of cells, into one of which each row falls.

    The statistic of a row is the index of its cell, so that a confusion matrix of many
    labels needs no row of zeros for every example.
    """

    def num_cells(self, facts: PredictionFacts) -> int:
        """Returns the number of cells."""
        raise NotImplementedError

    def of_counts(self, counts: np.ndarray, facts: PredictionFacts) -> np.ndarray:
        """Maps counts ``[..., cells]`` to values ``[...]``."""
        raise NotImplementedError

    @override
    def resampled(
        self, statistics: np.ndarray, counts: np.ndarray, facts: PredictionFacts
    ) -> np.ndarray:
        cells = statistics[0].astype(np.int64)
        return self.of_counts(cell_counts(cells, counts, self.num_cells(facts)), facts)

    @override
    def interval(
        self, statistics: np.ndarray, facts: PredictionFacts, *, seed: int
    ) -> Interval:
        """Returns the value of all counts with its 95 % bootstrap bounds."""
        cells = statistics[0].astype(np.int64)
        counts = np.bincount(cells, minlength=self.num_cells(facts))
        [interval] = bootstrap_counts(
            counts, lambda c: self.of_counts(c, facts)[..., None], seed=seed
        )
        return interval


class WholeMetric(Metric):
    """Base class: a function of all rows, which does not add up over them.

    The bootstrap evaluates it once for every resample of the rows.
    """

    def of_rows(self, statistics: np.ndarray, facts: PredictionFacts) -> float:
        """Returns the value of the statistics ``[statistics, rows]`` of all rows."""
        raise NotImplementedError

    @override
    def resampled(
        self, statistics: np.ndarray, counts: np.ndarray, facts: PredictionFacts
    ) -> np.ndarray:
        draws = (np.repeat(statistics, c, axis=1) for c in counts.astype(np.int64))
        return np.array([self.of_rows(draw, facts) for draw in draws])

    def interval(
        self, statistics: np.ndarray, facts: PredictionFacts, *, seed: int
    ) -> Interval:
        """Returns the value with its 95 % bounds over resampled rows."""
        return bootstrap_rows(statistics, lambda s: self.of_rows(s, facts), seed=seed)
