"""Intervals, against scipy, by hand and by simulation."""

import numpy as np
import pytest
from scipy import stats

from textmill.models.metrics.intervals import (
    bootstrap_counts,
    bootstrap_ratio,
    bootstrap_rows,
    wilson,
)


@pytest.mark.parametrize(("hits", "total"), [(0, 5), (5, 5), (7, 10), (736, 1157)])
def test_wilson_agrees_with_scipy(hits, total):
    expected = stats.binomtest(hits, total).proportion_ci(method="wilson")
    interval = wilson(hits, total)
    assert interval["value"] == hits / total
    assert interval["low"] == pytest.approx(expected.low, abs=1e-12)
    assert interval["high"] == pytest.approx(expected.high, abs=1e-12)


def test_wilson_by_hand():
    # Newcombe (1998), table I: 81 of 263, and 0 of 20.
    assert wilson(81, 263)["low"] == pytest.approx(0.2553, abs=5e-5)
    assert wilson(81, 263)["high"] == pytest.approx(0.3662, abs=5e-5)
    assert wilson(0, 20)["high"] == pytest.approx(0.1611, abs=5e-5)


def test_wilson_of_nothing_is_everything():
    assert wilson(0, 0) == {"value": 0.0, "low": 0.0, "high": 1.0}


def test_the_ratio_bootstrap_agrees_with_scipy():
    generator = np.random.default_rng(0)
    weights = generator.integers(1, 20, 400).astype(float)
    losses = weights * generator.gamma(2.0, 1.0, 400)
    interval = bootstrap_ratio(losses, weights, seed=3)
    expected = stats.bootstrap(
        (losses, weights),
        lambda a, b, axis: a.sum(axis=axis) / b.sum(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=4000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    width = expected.high - expected.low
    assert interval["value"] == pytest.approx(losses.sum() / weights.sum())
    assert interval["low"] == pytest.approx(expected.low, abs=0.12 * width)
    assert interval["high"] == pytest.approx(expected.high, abs=0.12 * width)


def test_the_count_bootstrap_is_wilson_for_a_large_proportion():
    counts = np.array([300, 700])
    [interval] = bootstrap_counts(counts, lambda c: c[..., 1:] / 1000, seed=5)
    expected = wilson(700, 1000)
    assert interval["value"] == 0.7
    assert interval["low"] == pytest.approx(expected["low"], abs=0.005)
    assert interval["high"] == pytest.approx(expected["high"], abs=0.005)


def test_about_95_percent_of_intervals_contain_the_true_mean():
    generator = np.random.default_rng(7)
    covered = 0
    for seed in range(100):
        sample = generator.exponential(2.0, 200)
        interval = bootstrap_ratio(sample, np.ones(200), seed=seed)
        covered += interval["low"] <= 2.0 <= interval["high"]
    assert 0.90 <= covered / 100 <= 0.98


def test_rows_are_resampled_for_metrics_that_do_not_add_up():
    values = np.arange(101.0)[None, :]
    interval = bootstrap_rows(values, lambda rows: float(np.median(rows)), seed=1)
    assert interval["value"] == 50.0
    assert 35 < interval["low"] < 50 < interval["high"] < 65
