"""Joint scores of labels, against the posterior that is known."""

import numpy as np
import pytest
from scipy.special import expit, logit

from textmill.models.calibrated.fit import HeldOut
from textmill.models.calibrated.labels import compare_labels, fit_labels

SIZE, NUM_LABELS = 1500, 4


def expert(targets, *, strength, seed):
    """Returns the true posterior of each label after one normal observation."""
    seen = strength * (2.0 * targets - 1)
    seen = seen + np.random.default_rng(seed).normal(size=targets.shape)
    return expit(2 * strength * seen).astype(np.float32)


@pytest.fixture(scope="module")
def targets():
    return np.random.default_rng(0).integers(0, 2, (SIZE, NUM_LABELS)).astype(np.uint8)


def test_two_independent_experts_count_in_full(targets):
    first, second = (expert(targets, strength=0.8, seed=seed) for seed in (1, 2))
    fitted = fit_labels(HeldOut.of(first, second, targets))
    assert (fitted.encoder, fitted.linear) == pytest.approx((1, 1), abs=0.15)
    expected = expit(logit(first.astype(float)) + logit(second.astype(float)))
    outputs = fitted.outputs(first, second)
    assert np.abs(outputs["scores"] - expected).max() < 0.05
    thresholds = np.array(fitted.thresholds, np.float32)
    chosen = outputs["scores"] >= thresholds
    assert outputs["chosen"].dtype == np.uint8
    np.testing.assert_array_equal(outputs["chosen"], chosen)
    # F1 is highest at half of its own value (Lipton et al., 2014).
    assert np.all((thresholds > 0.3) & (thresholds < 0.55))
    comparison = compare_labels(HeldOut.of(first, second, targets))
    assert comparison.joint_is_better
    assert comparison.rows == SIZE
    assert "answer together" in comparison.sentence


def test_an_encoder_that_knows_nothing_is_left_out(targets):
    few = targets[:300]
    linear = expert(few, strength=1.0, seed=2)
    random = np.random.default_rng(5).random(few.shape).astype(np.float32)
    assert not compare_labels(HeldOut.of(random, linear, few)).joint_is_better


def test_labels_of_a_document_are_no_independent_evidence(targets):
    first, second = (expert(targets[:, :1], strength=0.8, seed=s) for s in (1, 2))
    alone = compare_labels(HeldOut.of(first, second, targets[:, :1]))
    wide = [np.repeat(part, 5, axis=1) for part in (first, second, targets[:, :1])]
    copied = compare_labels(HeldOut.of(*wide))
    assert copied.error == pytest.approx(alone.error, rel=0.1)


def test_one_part_alone_is_calibrated(targets):
    honest = expert(targets, strength=0.8, seed=1)
    sharpened = expit(3 * logit(honest.astype(float))).astype(np.float32)
    fitted = fit_labels(HeldOut.of(None, sharpened, targets))
    assert fitted.encoder == 0.0
    assert fitted.linear == pytest.approx(1 / 3, abs=0.05)
    assert np.abs(fitted.scores(None, sharpened) - honest).max() < 0.05


def test_without_held_out_documents_the_parts_count_alike(targets):
    scores = expert(targets, strength=0.8, seed=1)
    fitted = fit_labels(HeldOut.of(scores[:0], scores[:0], targets[:0]))
    assert (fitted.encoder, fitted.linear) == (0.5, 0.5)
    assert fitted.thresholds == (0.5,) * NUM_LABELS
