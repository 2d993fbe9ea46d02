"""Base classes of metrics: statistics by row, the value of their sums, an interval.

Statistics add up over rows, so one pass over the predictions serves the whole split,
every slice and every bootstrap resample. A metric that does not add up (an area under a
curve, BLEU) is a ``WholeMetric``.
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
)


@dataclass(frozen=True)
class PredictionFacts:
    """Facts about the predictions of a split."""

    labels: tuple[str, ...] = ()
    """Label names in the order of their indices."""
    tokens_per_byte: float | None = None
    """Tokens of the split divided by its bytes of text."""


@dataclass(frozen=True)
class PredictedRows:
    """Predictions of some rows, by column.

    ``target`` is there for tasks with a target: int32 ``[rows]`` for a label.
    Classifiers have ``probabilities``, float32 ``[rows, labels]``; language models the
    sums ``loss`` (nats), ``weight`` and ``correct`` of each row, float32 ``[rows]``.
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

    def value(self, ratio: float, facts: PredictionFacts) -> float:
        """Maps the ratio of the sums to the value, by an increasing function."""
        return ratio

    def resampled(
        self, statistics: np.ndarray, counts: np.ndarray, facts: PredictionFacts
    ) -> float:
        """Returns the value with every row taken ``counts`` ``[rows]`` times."""
        top, bottom = statistics @ counts
        return self.value(float(top / max(bottom, 1e-12)), facts)

    def interval(
        self, statistics: np.ndarray, facts: PredictionFacts, *, seed: int
    ) -> Interval:
        """Returns the value over all rows with its 95 % bounds."""
        ratio = bootstrap_ratio(statistics[0], statistics[1], seed=seed)
        return {name: self.value(bound, facts) for name, bound in ratio.items()}


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
    ) -> float:
        cells = statistics[0].astype(np.int64)
        size = self.num_cells(facts)
        cell_counts = np.bincount(cells, weights=counts, minlength=size)
        return float(self.of_counts(cell_counts, facts))

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
    ) -> float:
        return self.of_rows(np.repeat(statistics, counts, axis=1), facts)

    def interval(
        self, statistics: np.ndarray, facts: PredictionFacts, *, seed: int
    ) -> Interval:
        """Returns the value with its 95 % bounds over resampled rows."""
        return bootstrap_rows(statistics, lambda s: self.of_rows(s, facts), seed=seed)
