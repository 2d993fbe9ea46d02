"""Token vectors of a corpus' co-occurrence."""

import numpy as np
import pytest

from tests.models.test_families import make
from textmill.models import cooccurrence
from textmill.models.cooccurrence import (
    _pair_counts,
    _positive_information,
    cooccurrence_vectors,
)
from textmill.models.families import FAMILIES
from textmill.models.tasks import TASKS
from textmill.models.weights import start_from_vectors

ENCODERS = [name for name in FAMILIES if FAMILIES[name].is_encoder]
DOCUMENTS = [np.array(ids) for ids in ([1, 2, 3], [1, 4, 3], [5, 6], [6, 5], [7])]


def vectors(documents, **knobs):
    return cooccurrence_vectors(
        documents, **{"vocabulary_size": 9, "width": 8, "seed": 1, **knobs}
    )


def test_pairs_count_by_their_distance_and_never_across_documents():
    counts = _pair_counts(DOCUMENTS, 9).toarray()
    expected = np.zeros((9, 9))
    expected[1, 2] = expected[2, 3] = expected[1, 4] = expected[4, 3] = 1.0
    expected[1, 3] = 2 / 2
    expected[5, 6] = 2.0
    np.testing.assert_array_equal(counts, expected + expected.T)


def test_information_compares_a_pair_with_its_expectation():
    pairs = _pair_counts([np.array([1, 2, 1, 3])], 4)
    counts, information = pairs.toarray(), _positive_information(pairs).toarray()
    tokens = counts.sum(axis=1)
    expected = np.log(counts[3, 1] * tokens.sum() / (tokens[3] * tokens[1]))
    assert information[3, 1] == pytest.approx(expected) and expected > 0.0
    assert information.min() == 0.0


def test_tokens_with_the_same_neighbors_have_the_same_vector():
    made = vectors(DOCUMENTS)
    np.testing.assert_allclose(made[2], made[4], atol=1e-5)
    unit = made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9)
    assert unit[2] @ unit[4] == pytest.approx(1.0)
    assert abs(unit[2] @ unit[5]) < 1e-5


def test_vectors_have_mean_square_1_and_lone_tokens_none():
    made = vectors(DOCUMENTS, width=12)
    known = made[1:7]
    assert np.mean(np.square(known)) == pytest.approx(1.0)
    assert not made[[0, 7, 8]].any() and not made[:, 9:].any()
    assert made.shape == (9, 12)


def test_equal_documents_give_equal_bytes():
    assert vectors(DOCUMENTS).tobytes() == vectors(iter(DOCUMENTS)).tobytes()


def test_a_large_corpus_is_read_up_to_a_number_of_tokens(monkeypatch):
    monkeypatch.setattr(cooccurrence, "_MAX_TOKENS", 6)
    monkeypatch.setattr(cooccurrence, "_TOKENS_A_BLOCK", 3)
    documents = iter(DOCUMENTS)
    counts = _pair_counts(documents, 9).toarray()
    np.testing.assert_array_equal(counts, _pair_counts(DOCUMENTS[:2], 9).toarray())
    assert len(list(documents)) == len(DOCUMENTS) - 2


def test_no_documents_give_no_vectors():
    assert not vectors([]).any()


@pytest.mark.parametrize("family", ENCODERS)
def test_every_family_starts_from_vectors_at_its_own_deviation(family):
    is_classifier = family in TASKS["classify"].families
    task = make(family, "classify" if is_classifier else "seq2seq")
    embeddings = task.backbone.get_layer("token_embedding").embeddings
    before = embeddings.numpy()
    given = np.ones_like(before)
    given[0] = 0.0
    start_from_vectors(task, given)
    after = embeddings.numpy()
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_allclose(after[1:], before.std(), rtol=1e-5)
