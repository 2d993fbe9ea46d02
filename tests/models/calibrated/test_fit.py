"""Weights, comparison and confidence of a joint classifier, against known values."""

import numpy as np
import pytest
from scipy.special import softmax

from textmill.models.calibrated.fit import (
    Calibration,
    HeldOut,
    compare,
    confidence_threshold,
    cross_fitted,
    fit_calibration,
    log_probabilities,
)


def expert(targets: np.ndarray, *, strength: float, seed: int) -> np.ndarray:
    """Returns the true posterior of three labels after one normal observation."""
    noise = np.random.default_rng(seed).normal(size=(len(targets), 3))
    seen = strength * np.eye(3)[targets] + noise
    return softmax(strength * seen, axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def targets() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 3, 6000)


def test_the_weight_of_one_model_is_its_inverse_temperature(targets):
    honest = expert(targets, strength=1.5, seed=1)
    sharpened = softmax(3.0 * np.log(honest), axis=1)
    fitted = fit_calibration(HeldOut.of(sharpened, None, targets), risk=0.05)
    assert fitted.encoder == pytest.approx(1 / 3, abs=0.02)
    assert fitted.linear == 0.0
    answers = fitted.probabilities(sharpened, None)
    assert np.abs(answers - honest).max() < 0.03


def test_two_independent_experts_count_in_full(targets):
    first, second = (expert(targets, strength=1.2, seed=seed) for seed in (1, 2))
    fitted = fit_calibration(HeldOut.of(first, second, targets), risk=0.05)
    assert (fitted.encoder, fitted.linear) == pytest.approx((1, 1), abs=0.07)
    comparison = compare(HeldOut.of(first, second, targets))
    assert comparison.joint_is_better
    assert comparison.accuracy > comparison.linear_accuracy + 0.05
    assert "answer together" in comparison.sentence


def test_with_few_documents_the_encoder_has_the_smaller_weight(targets):
    first, second = (expert(targets, strength=1.2, seed=seed) for seed in (1, 2))
    few = slice(200)
    fitted = fit_calibration(
        HeldOut.of(first[few], second[few], targets[few]), risk=0.05
    )
    assert 0 < fitted.encoder < fitted.linear


def test_an_encoder_that_knows_nothing_is_left_out(targets):
    few = targets[:400]
    random = expert(np.roll(few, 1), strength=0.3, seed=3)
    linear = expert(few, strength=1.5, seed=2)
    comparison = compare(HeldOut.of(random, linear, few))
    assert not comparison.joint_is_better
    assert "answers alone" in comparison.sentence


def test_documents_of_a_group_count_as_one_for_the_standard_error(targets):
    first, second = (expert(targets[:300], strength=1.2, seed=s) for s in (1, 2))
    alone = compare(HeldOut.of(first, second, targets[:300]))
    copies = np.repeat(np.arange(300), 4)
    repeated = [np.repeat(part, 4, axis=0) for part in (first, second, targets[:300])]
    by_row = compare(HeldOut.of(*repeated))
    by_group = compare(HeldOut.of(*repeated, copies))
    assert by_row.error < 0.6 * alone.error
    assert by_group.error == pytest.approx(alone.error, rel=0.05)
    assert by_group.gain == pytest.approx(alone.gain, abs=0.01)


def test_the_threshold_bounds_the_errors_with_one_more_than_there_are():
    confidence = np.array([0.95, 0.9, 0.8, 0.7, 0.6])
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    targets = np.array([0, 0, 0, 1, 0])
    # (errors + 1) / (answers + 1) from the top: 1/2, 1/3, 1/4, 2/5, 2/6
    assert confidence_threshold(probabilities, targets, risk=0.25) == 0.8
    assert confidence_threshold(probabilities, targets, risk=0.34) == 0.6
    assert confidence_threshold(probabilities, targets, risk=0.1) is None


def test_answers_of_one_confidence_are_kept_or_left_together():
    probabilities = np.full((9, 2), [0.8, 0.2])
    targets = np.array([0] * 8 + [1])
    assert confidence_threshold(probabilities, targets, risk=0.1) is None
    assert confidence_threshold(probabilities, targets, risk=0.2) == 0.8


def test_the_stated_risk_holds_on_new_documents(targets):
    answers = expert(targets, strength=1.5, seed=1)
    held_out, new = slice(0, 1000), slice(1000, None)
    fitted = fit_calibration(
        HeldOut.of(answers[held_out], None, targets[held_out]), risk=0.05
    )
    joined = fitted.probabilities(answers[new], None)
    confident = fitted.is_confident(joined)
    wrong = joined.argmax(axis=1) != targets[new]
    assert wrong.mean() > 0.1
    assert confident.mean() > 0.2
    assert wrong[confident].mean() == pytest.approx(0.05, abs=0.02)


def test_without_held_out_documents_no_answer_is_confident():
    none = np.zeros((0, 3), np.float32)
    fitted = fit_calibration(HeldOut.of(none, none, np.zeros(0, np.int32)), risk=0.05)
    assert fitted == Calibration(encoder=0.5, linear=0.5, threshold=None, risk=0.05)
    probabilities = np.array([[1.0, 0.0, 0.0]], np.float32)
    assert not fitted.is_confident(probabilities).any()


def test_a_probability_of_zero_is_not_an_error():
    certain = np.array([[1.0, 0.0]] * 20, np.float32)
    fitted = fit_calibration(
        HeldOut.of(certain, certain, np.zeros(20, np.int32)), risk=0.05
    )
    assert np.isfinite(fitted.probabilities(certain, certain)).all()


def test_comparison_threshold_and_answers_of_folds_share_one_fit(targets):
    first, second = (expert(targets[:200], strength=1.2, seed=s) for s in (1, 2))
    held_out = HeldOut.of(first, second, targets[:200], np.arange(200) // 2)
    compare(held_out)
    joint, alone = held_out.cross_fitted(), held_out.only("linear").cross_fitted()
    fit_calibration(held_out, risk=0.05)
    assert held_out.only("encoder", "linear").cross_fitted() is joint
    assert held_out.only("linear").cross_fitted() is alone
    logs = log_probabilities([second])
    np.testing.assert_array_equal(
        alone, cross_fitted(logs, targets[:200], held_out.groups)
    )
