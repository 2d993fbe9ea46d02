"""The share of each part of a joint regression, against the best one by hand."""

import numpy as np
import pytest

from textmill.models.calibrated.fit import HeldOut
from textmill.models.calibrated.number import (
    NumberCalibration,
    compare_numbers,
    fit_number,
)


@pytest.fixture(scope="module")
def targets():
    return np.random.default_rng(0).normal(50, 10, 4000).astype(np.float32)


def guessed(targets, deviation, *, seed):
    noise = np.random.default_rng(seed).normal(0, deviation, len(targets))
    return (targets + noise).astype(np.float32)


def test_independent_errors_are_weighted_by_their_precision(targets):
    encoder, linear = guessed(targets, 4.0, seed=1), guessed(targets, 4.0, seed=2)
    fitted = fit_number(HeldOut.of(encoder, linear, targets))
    # Equal errors: a half each; the encoder's share is the smallest that is as good.
    assert 0.4 <= fitted.encoder <= 0.5
    assert fitted.encoder + fitted.linear == 1.0
    comparison = compare_numbers(HeldOut.of(encoder, linear, targets))
    assert comparison.joint_is_better
    assert comparison.gain == pytest.approx(16 - 8, abs=1.0)
    assert "lowers its squared error by" in comparison.sentence


def test_a_worse_encoder_with_the_same_errors_is_left_out(targets):
    linear = guessed(targets, 4.0, seed=1)
    encoder = (2 * (linear - targets) + targets).astype(np.float32)
    assert fit_number(HeldOut.of(encoder, linear, targets)).encoder == 0.0
    comparison = compare_numbers(HeldOut.of(encoder, linear, targets))
    assert not comparison.joint_is_better
    assert "answers alone" in comparison.sentence


def test_a_part_alone_is_taken_as_it_is(targets):
    assert fit_number(HeldOut.of(targets, None, targets)) == NumberCalibration(
        encoder=1.0, linear=0.0
    )
    fitted = fit_number(HeldOut.of(None, targets, targets))
    np.testing.assert_array_equal(fitted.outputs(None, targets)["number"], targets)


def test_without_held_out_documents_the_parts_count_alike(targets):
    fitted = fit_number(HeldOut.of(targets[:0], targets[:0], targets[:0]))
    assert (fitted.encoder, fitted.linear) == (0.5, 0.5)
