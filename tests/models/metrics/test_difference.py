"""Differences of two models' metrics over the same rows."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from textmill.models.metrics import METRICS
from textmill.models.metrics.difference import paired_differences
from textmill.models.metrics.metric import PredictedRows, PredictionFacts

FACTS = PredictionFacts(labels=("a", "b", "c"))


def rows(target, predicted):
    probabilities = np.full((len(target), 3), 0.1, np.float32)
    probabilities[np.arange(len(target)), predicted] = 0.8
    return PredictedRows({"target": target, "probabilities": probabilities}, FACTS)


def differences(target, first, second, names):
    metrics = {name: METRICS[name].load() for name in names}
    statistics = [
        {name: m.statistics(rows(target, predicted)) for name, m in metrics.items()}
        for predicted in (first, second)
    ]
    return paired_differences(metrics, *statistics, FACTS, seed=17)


@pytest.fixture
def answers():
    generator = np.random.default_rng(0)
    target = generator.integers(0, 3, 500)
    first = np.where(generator.random(500) < 0.8, target, (target + 1) % 3)
    second = np.where(generator.random(500) < 0.1, (target + 2) % 3, first)
    return target, first, second


def test_a_difference_is_that_of_the_metrics_of_scikit_learn(answers):
    target, first, second = answers
    found = differences(target, first, second, ["accuracy", "macro_f1"])
    expected = (first == target).mean() - (second == target).mean()
    assert found["accuracy"]["value"] == pytest.approx(expected)
    expected = f1_score(target, first, average="macro") - f1_score(
        target, second, average="macro"
    )
    assert found["macro_f1"]["value"] == pytest.approx(expected)


def test_the_interval_of_a_paired_difference_is_the_one_of_the_rows_that_differ(
    answers,
):
    target, first, second = answers
    found = differences(target, first, second, ["accuracy"])["accuracy"]
    by_row = (first == target).astype(float) - (second == target)
    half = 1.96 * by_row.std() / np.sqrt(len(by_row))
    assert found["low"] == pytest.approx(by_row.mean() - half, abs=0.003)
    assert found["high"] == pytest.approx(by_row.mean() + half, abs=0.003)


def test_a_model_does_not_differ_from_itself(answers):
    target, first, _ = answers
    found = differences(target, first, first, ["accuracy", "macro_f1", "loss"])
    for interval in found.values():
        assert interval == {"value": 0.0, "low": 0.0, "high": 0.0}
