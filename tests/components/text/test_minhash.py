import numpy as np
import pytest

from textmill.components.text import minhash as near
from textmill.components.text.minhash import (
    NO_KEY,
    band_keys,
    jaccard,
    near_keys,
    signatures,
)
from textmill.components.text.shingles import ngram_hashes

SHAPE = {"bands": 14, "hashes": 8}
SIGMAS = 4
GOLDEN_KEYS = [0x83070A7B27EECA62, 0xA4DE5F36ED634A2B]


def bounds_of(probability, num_trials):
    """Returns how many of so many trials may succeed."""
    spread = SIGMAS * (num_trials * probability * (1 - probability)) ** 0.5
    return num_trials * probability - spread, num_trials * probability + spread


def theory(similarity):
    return 1 - (1 - similarity**8) ** 14


def pairs_of_sets(similarity, num_pairs, seed):
    """Returns documents 2i and 2i+1 that share just so many of their 100 n-grams."""
    shared = round(100 * similarity)
    own = (100 - shared) // 2
    assert shared / (shared + 2 * own) == similarity
    generator = np.random.default_rng(seed)
    both = generator.integers(0, 1 << 64, (num_pairs, 1, shared), np.uint64)
    each = generator.integers(0, 1 << 64, (num_pairs, 2, own), np.uint64)
    values = np.concatenate([np.repeat(both, 2, axis=1), each], axis=2).ravel()
    return values, np.arange(2 * num_pairs + 1) * (shared + own)


def pairs_of_texts(similarity, num_pairs):
    """Returns texts 2i and 2i+1 that begin with the same words and then part."""
    shared = round(100 * similarity)
    own = (100 - shared) // 2
    texts = []
    for pair in range(num_pairs):
        head = " ".join(f"word{pair}n{i}" for i in range(shared + 4))
        for side in "ab":
            texts.append(head + "".join(f" {side}{pair}n{i}" for i in range(own)))
    return ngram_hashes(texts, 5)


def num_found(keys):
    return int((keys[0::2] == keys[1::2]).any(axis=1).sum())


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.7, 0.8, 0.9])
def test_pairs_of_sets_are_found_as_often_as_theory_says(similarity):
    values, splits = pairs_of_sets(similarity, 6000, seed=int(100 * similarity))
    least, most = bounds_of(theory(similarity), 6000)
    assert least <= num_found(near_keys(values, splits, **SHAPE)) <= most


@pytest.mark.parametrize("similarity", [0.3, 0.7, 0.8, 0.9])
def test_pairs_of_texts_are_found_as_often_as_theory_says(similarity):
    values, splits = pairs_of_texts(similarity, 2000)
    sets = np.split(values, splits[1:-1])
    assert jaccard(np.unique(sets[0]), np.unique(sets[1])) == similarity
    least, most = bounds_of(theory(similarity), 2000)
    assert least <= num_found(near_keys(values, splits, **SHAPE)) <= most


@pytest.mark.parametrize("similarity", [0.3, 0.8])
def test_the_share_of_equal_hashes_estimates_the_similarity(similarity):
    values, splits = pairs_of_sets(similarity, 2000, seed=7)
    found = signatures(values, splits, **SHAPE)
    equal = (found[0::2] == found[1::2]).mean(axis=1)
    spread = (similarity * (1 - similarity) / 112) ** 0.5
    assert abs(equal.mean() - similarity) <= SIGMAS * spread / 2000**0.5
    assert equal.std() == pytest.approx(spread, rel=0.08)
    assert np.abs(equal - similarity).max() <= 5 * spread


def test_signatures_are_minima_of_permutations():
    values = np.array([3, 5, 1 << 63, 5], np.uint64)
    found = signatures(values, np.array([0, 2, 4]), bands=2, hashes=3)
    for column, (factor, term) in enumerate(near._permutations(6)):
        permuted = [(int(factor) * x + int(term)) % (1 << 64) for x in values.tolist()]
        assert found[:, column].tolist() == [min(permuted[:2]), min(permuted[2:])]
        assert int(factor) % 2 == 1


def test_signatures_do_not_depend_on_the_batch(monkeypatch):
    texts = [
        f"{'same words ' * (i % 4)}and {i % 5} and then some {i}" for i in range(60)
    ]
    texts[10:13] = ["", "...", "one"]
    values, splits = ngram_hashes(texts, 5)
    whole = near_keys(values, splits, **SHAPE)
    monkeypatch.setattr(near, "_CHUNK_VALUES", 7)
    assert (near_keys(values, splits, **SHAPE) == whole).all()
    assert (band_keys(signatures(values, splits, **SHAPE), 14) == whole).all()
    for i, text in enumerate(texts):
        assert (near_keys(*ngram_hashes([text], 5), **SHAPE) == whole[i]).all()


def test_documents_without_ngrams_have_no_keys():
    values, splits = ngram_hashes(["", "a b c d e f", "", "", "g h", ""], 5)
    keys = near_keys(values, splits, **SHAPE)
    assert (keys == NO_KEY).all(axis=1).tolist() == [
        True,
        False,
        True,
        True,
        False,
        True,
    ]
    assert (keys[[1, 4]] != NO_KEY).all()
    empty = near_keys(*ngram_hashes(["", ""], 5), **SHAPE)
    assert empty.shape == (2, 14)
    assert not empty.any()
    assert near_keys(*ngram_hashes([], 5), **SHAPE).shape == (0, 14)


def test_keys_stay_what_they_are():
    keys = near_keys(*ngram_hashes(["the quick brown fox jumps over"], 5), **SHAPE)
    assert keys[0, :2].tolist() == GOLDEN_KEYS


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ([1, 2, 3], [2, 3, 4], 0.5),
        ([1], [1], 1),
        ([1], [2], 0),
        ([], [1], 0),
        ([], [], 0),
    ],
)
def test_jaccard_is_the_share_in_both(left, right, expected):
    assert jaccard(np.array(left, np.uint64), np.array(right, np.uint64)) == expected
