import numpy as np
import pytest
from sklearn.metrics import f1_score

from textmill.models.label_thresholds import tune_thresholds


def made(rows, labels, *, seed=0):
    generator = np.random.default_rng(seed)
    targets = generator.random((rows, labels)) < np.linspace(0.4, 0.1, labels)
    scores = 0.2 * targets + 0.3 * generator.random((rows, labels))
    return scores.astype(np.float32), targets.astype(np.uint8)


def test_without_documents_or_without_labels_thresholds_are_a_half():
    scores, targets = made(50, 3)
    assert tune_thresholds(scores[:0], targets[:0]).tolist() == [0.5] * 3
    assert tune_thresholds(scores, 0 * targets).tolist() == [0.5] * 3


def test_scores_that_a_half_tells_apart_keep_it():
    targets = np.eye(4, dtype=np.uint8)[np.arange(80) % 4]
    scores = np.where(targets, 0.9, 0.1).astype(np.float32)
    assert tune_thresholds(scores, targets).tolist() == [0.5] * 4


def test_tuned_thresholds_raise_f1_on_other_documents():
    scores, targets = made(2000, 6)
    thresholds = tune_thresholds(scores[:1000], targets[:1000])
    assert thresholds.dtype == np.float32
    assert np.all(thresholds < 0.5)
    tuned, plain = (
        f1_score(targets[1000:], scores[1000:] >= t, average="macro")
        for t in (thresholds, 0.5)
    )
    assert tuned > plain + 0.1


def test_many_documents_have_the_threshold_of_the_highest_f1():
    scores, targets = made(20000, 1)
    [threshold] = tune_thresholds(scores, targets)
    best = max(f1_score(targets, scores >= t) for t in np.linspace(0.2, 0.8, 61))
    assert f1_score(targets, scores >= threshold) == pytest.approx(best, abs=0.01)


def test_a_label_with_one_document_follows_the_others():
    scores, targets = made(1000, 4)
    targets[:, 3] = 0
    targets[0, 3] = 1
    scores[:, 3] = 0.2
    scores[0, 3] = 0.21
    rare = tune_thresholds(scores, targets)[3]
    common = tune_thresholds(scores[:, :3], targets[:, :3])
    assert common.min() - 0.05 <= rare <= common.max() + 0.05
