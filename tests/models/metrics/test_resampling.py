"""Intervals where rows of a group belong together, by simulation and by hand."""

import numpy as np
import pytest

from textmill.models.metrics import METRICS
from textmill.models.metrics.difference import paired_differences
from textmill.models.metrics.intervals import wilson
from textmill.models.metrics.metric import PredictionFacts
from textmill.models.metrics.resampling import Resamples

FACTS = PredictionFacts(labels=("a", "b"))
ACCURACY = METRICS["accuracy"].load()


def grouped_hits(generator, *, correlation, num_groups=60, rows=6, mean=0.74):
    """Hits and groups of rows whose correlation within a group is given."""
    scale = (1 - correlation) / correlation
    share = generator.beta(mean * scale, (1 - mean) * scale, num_groups)
    hits = generator.random((num_groups, rows)) < share[:, None]
    groups = np.repeat(np.arange(num_groups), rows)
    return np.stack([hits.ravel(), np.ones(hits.size)]).astype(float), groups


def test_intervals_of_groups_cover_where_those_of_rows_do_not():
    generator = np.random.default_rng(3)
    covered = np.zeros(2)
    for seed in range(100):
        hits, groups = grouped_hits(generator, correlation=0.2)
        for i, codes in enumerate((None, groups)):
            interval = ACCURACY.interval_of_groups(hits, FACTS, groups=codes, seed=seed)
            covered[i] += interval["low"] <= 0.74 <= interval["high"]
    of_rows, of_groups = covered / 100
    assert of_rows <= 0.85
    assert of_groups >= 0.92


def test_an_interval_of_groups_is_never_narrower_than_that_of_rows():
    ones = np.ones((2, 40))  # all groups are right in every row
    groups = np.repeat(np.arange(4), 10)
    interval = ACCURACY.interval_of_groups(ones, FACTS, groups=groups, seed=1)
    assert interval == wilson(40, 40)


def test_one_group_is_the_interval_of_rows():
    hits = np.stack([np.arange(20) % 2, np.ones(20)]).astype(float)
    interval = ACCURACY.interval_of_groups(
        hits, FACTS, groups=np.zeros(20, int), seed=1
    )
    assert interval == wilson(10, 20)


def test_rows_of_a_group_are_drawn_together():
    groups = np.array([0, 1, 0, 2, 2])
    draws = np.concatenate(list(Resamples(5, groups, seed=1)))
    assert draws.shape == (1000, 5)
    assert (draws[:, 0] == draws[:, 2]).all()
    assert (draws[:, 3] == draws[:, 4]).all()
    assert set(draws[:, [0, 1, 3]].sum(axis=1)) == {3}


def test_a_copied_document_tells_no_more_about_a_difference_than_one():
    generator = np.random.default_rng(0)
    first, second = generator.random((2, 50)) < 0.7
    one = [np.stack([hits, np.ones(50)]).astype(float) for hits in (first, second)]
    copied = [np.repeat(statistics, 20, axis=1) for statistics in one]
    metrics = {"accuracy": ACCURACY}

    def width(statistics, groups):
        first, second = ({"accuracy": s} for s in statistics)
        difference = paired_differences(
            metrics, first, second, FACTS, groups=groups, seed=1
        )["accuracy"]
        return difference["high"] - difference["low"]

    of_groups = width(copied, np.repeat(np.arange(50), 20))
    assert of_groups == pytest.approx(width(one, None), rel=0.1)
    assert width(copied, None) < of_groups / 3
