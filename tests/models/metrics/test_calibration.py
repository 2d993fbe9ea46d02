"""Calibration, by hand and by simulation."""

import numpy as np
import pytest

from textmill.models.metrics.calibration import (
    answers_of,
    calibration,
    calibration_scores,
    reliability,
    risk_coverage,
)


def answers(confidence, correct, **columns):
    """Answers about two labels, of which the first is always given."""
    confidence = np.asarray(confidence, float)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    target = 1 - np.asarray(correct, int)
    return answers_of([{"target": target, "probabilities": probabilities} | columns])


def simulated(num_rows, *, honest):
    generator = np.random.default_rng(5)
    confidence = generator.uniform(0.5, 1.0, num_rows)
    right = generator.random(num_rows) < (confidence if honest else 0.7)
    return answers(confidence, right)


def test_scores_by_hand():
    scores = calibration_scores(
        answers([0.9] * 10 + [0.6] * 5, [1] * 8 + [0] * 2 + [1] * 3 + [0] * 2),
        groups=None,
        seed=1,
    )
    # Answers of one confidence share a bin: 0.9 for 0.8 right, and 0.6 for 0.6.
    assert scores["ece"]["value"] == pytest.approx(10 / 15 * 0.1)
    # Both labels' squares: 2 (1 - p)^2 for a right answer, 2 p^2 for a wrong one.
    brier = 2 * (8 * 0.1**2 + 2 * 0.9**2 + 3 * 0.4**2 + 2 * 0.6**2) / 15
    assert scores["brier"]["value"] == pytest.approx(brier)


def test_bins_hold_the_same_number_of_rows():
    table = reliability(simulated(305, honest=True))
    assert [entry["rows"] for entry in table] == [21, 20, 20] * 5
    assert table[0]["highest"] <= table[1]["lowest"] <= table[1]["confidence"]


def test_an_honest_model_is_as_calibrated_as_chance_allows_and_another_is_not():
    scores = calibration_scores(simulated(600, honest=True), groups=None, seed=1)
    ece = scores["ece"]
    assert ece["low"] <= scores["ece_by_chance"] <= ece["high"]
    scores = calibration_scores(simulated(600, honest=False), groups=None, seed=1)
    assert scores["ece"]["low"] > scores["ece_by_chance"]
    # |p - 0.7| for p from 0.5 to 1
    assert scores["ece"]["value"] == pytest.approx(0.13, abs=0.03)


def test_risk_grows_with_coverage():
    measured = risk_coverage(
        answers([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1]), groups=None, seed=1
    )
    assert measured["curve"] == [[0.25, 0], [0.5, 0], [0.75, 1 / 3], [1, 0.25]]
    area = measured["aurc"]
    assert area["value"] == pytest.approx((1 / 3 + 1 / 4) / 4)
    assert area["low"] <= area["value"] <= area["high"]


def test_answers_of_one_confidence_are_in_no_order():
    measured = risk_coverage(answers([0.8] * 4, [1, 1, 0, 0]), groups=None, seed=1)
    assert [risk for _, risk in measured["curve"]] == [0.5] * 4


def test_confident_answers_have_their_error_and_coverage():
    confident = np.array([True, True, True, False])
    measured = calibration(
        answers([0.9, 0.9, 0.9, 0.5], [1, 1, 0, 0], confident=confident), seed=1
    )["confident"]
    assert measured["error"]["value"] == pytest.approx(1 / 3)
    assert measured["coverage"]["value"] == 0.75
    assert "confident" not in calibration(simulated(20, honest=True), seed=1)
