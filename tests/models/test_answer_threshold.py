import numpy as np
import pytest

from textmill.models.answer_threshold import ALWAYS, tune_threshold


def tune(windows):
    """Tunes over windows of document, score, right, has."""
    document, score, right, has = (np.array(c) for c in zip(*windows, strict=True))
    return tune_threshold(
        score.astype(np.float32), right > 0, has > 0, document=document
    )


def test_with_an_answer_everywhere_every_passage_has_one():
    assert tune([(0, 3.0, 1, 1), (0, -1.0, 0, 0), (1, -5.0, 0, 1)]) == ALWAYS


def test_the_threshold_parts_documents_without_an_answer_from_the_rest():
    # Scores 4 and 2 are right answers, 1 and -1 belong to documents without one.
    windows = [(0, 4.0, 1, 1), (1, 1.0, 0, 0), (2, 2.0, 1, 1), (3, -1.0, 0, 0)]
    assert tune(windows) == pytest.approx(1.5)


def test_only_the_best_window_of_a_document_counts():
    # The window of score 9 has no answer, so document 0 is wrong at any threshold.
    windows = [(0, 4.0, 1, 1), (0, 9.0, 0, 0), (1, 3.0, 0, 0), (2, 5.0, 1, 1)]
    assert tune(windows) == pytest.approx(4.0)


def test_without_any_answer_the_threshold_is_above_all_scores():
    threshold = tune([(0, 4.0, 0, 0), (1, 7.0, 0, 0)])
    assert 7.0 < threshold < 7.001


def test_equal_scores_are_not_parted():
    windows = [(0, 1.0, 1, 1), (1, 1.0, 0, 0), (2, 0.0, 0, 0)]
    assert tune(windows) == pytest.approx(0.5)
