import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.components.ingester.dedup import minhash as near
from textmill.components.ingester.dedup.minhash import (
    NO_KEY,
    DuplicateClusters,
    at_least,
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
    clusters = DuplicateClusters(6)
    clusters.join(keys[:, 0])
    assert clusters.labels().tolist() == [0, 1, 2, 3, 4, 5]


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


def labels_of(bands, size):
    """Finds components by giving neighbours the lesser label until nothing changes."""
    labels = list(range(size))
    changed = True
    while changed:
        changed = False
        for keys in bands:
            for i in range(size):
                for j in range(i):
                    if keys[i] and keys[i] == keys[j] and labels[i] != labels[j]:
                        labels[i] = labels[j] = min(labels[i], labels[j])
                        changed = True
    return labels


SMALL_BANDS = st.integers(1, 12).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, 6), min_size=size, max_size=size), max_size=4
    ).map(lambda bands: (size, bands))
)


@given(SMALL_BANDS)
def test_clusters_are_the_connected_components(case):
    size, bands = case
    clusters = DuplicateClusters(size)
    for keys in bands:
        clusters.join(np.array(keys, np.uint64))
    assert clusters.labels().tolist() == labels_of(bands, size)


def test_clusters_are_transitive_across_bands():
    clusters = DuplicateClusters(7)
    clusters.join(np.array([1, 1, 2, 2, 3, 4, 5], np.uint64))
    clusters.join(np.array([1, 2, 2, 3, 3, 4, 5], np.uint64))
    assert clusters.labels().tolist() == [0, 0, 0, 0, 0, 5, 6]


def test_documents_that_take_no_part_are_not_joined():
    clusters = DuplicateClusters(4)
    keys = np.array([9, 9, 9, 0], np.uint64)
    clusters.join(keys, np.array([True, False, True, False]))
    assert clusters.labels().tolist() == [0, 1, 0, 3]


def test_a_long_chain_is_one_cluster():
    size = 100_000
    order = np.random.default_rng(3).permutation(size)
    clusters = DuplicateClusters(size)
    for shift in (0, 1):
        keys = np.empty(size, np.uint64)
        keys[order] = (np.arange(size) + shift) // 2 + 1
        clusters.join(keys)
    assert not clusters.labels().any()


def as_sets(labels, names):
    found = {}
    for label, name in zip(labels.tolist(), names.tolist(), strict=True):
        found.setdefault(label, set()).add(name)
    return {frozenset(some) for some in found.values()}


@pytest.mark.parametrize("verified", [False, True])
def test_clusters_are_the_same_sets_in_any_order_of_documents_and_bands(verified):
    generator = np.random.default_rng(11)
    size, num_bands = 400, 3
    bands = generator.integers(1, 1200, (num_bands, size)).astype(np.uint64)
    sets = [np.unique(generator.integers(0, 12, 8)) for _ in range(size)]

    def clusters_of(order, band_order):
        clusters = DuplicateClusters(size)
        for band in band_order:
            keys = bands[band][order]
            if verified:
                clusters.join_verified(keys, at_least(0.5, lambda i: sets[order[i]]))
            else:
                clusters.join(keys)
        return as_sets(clusters.labels(), order)

    expected = clusters_of(np.arange(size), range(num_bands))
    assert 10 < len(expected) < 390
    for _ in range(5):
        order, band_order = (
            generator.permutation(size),
            generator.permutation(num_bands),
        )
        assert clusters_of(order, band_order) == expected


@given(SMALL_BANDS, st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11))))
def test_verified_clusters_are_the_components_of_all_true_pairs(case, true):
    size, bands = case
    true = {tuple(sorted(pair)) for pair in true}
    asked = []

    def verify(pairs):
        pairs = [tuple(sorted(pair)) for pair in pairs.tolist()]
        asked.extend(pairs)
        return np.array([pair in true for pair in pairs], bool)

    clusters = DuplicateClusters(size)
    edges = []
    for keys in bands:
        clusters.join_verified(np.array(keys, np.uint64), verify)
        for i, j in true:
            if i < j < size and keys[i] and keys[i] == keys[j]:
                edges.append([int(k in (i, j)) for k in range(size)])
    assert clusters.labels().tolist() == labels_of(edges, size)
    assert len(asked) == len(set(asked))


def test_a_true_pair_is_found_behind_a_first_that_is_like_neither():
    sets = [np.array([1, 2, 3]), np.array([7, 8, 9]), np.array([7, 8, 9, 10])]
    clusters = DuplicateClusters(3)
    clusters.join_verified(np.ones(3, np.uint64), at_least(0.75, sets.__getitem__))
    assert clusters.labels().tolist() == [0, 1, 1]


def test_documents_that_are_alike_cost_one_comparison_each():
    num_asked = []

    def verify(pairs):
        num_asked.append(len(pairs))
        return np.ones(len(pairs), bool)

    clusters = DuplicateClusters(1000)
    for _ in range(3):
        clusters.join_verified(np.ones(1000, np.uint64), verify)
    assert sum(num_asked) == 999


def test_near_duplicates_of_real_text_are_found(data):
    lines = (data / "sst2" / "train.tsv").read_text(encoding="utf-8").splitlines()
    base = [line.partition("\t")[0] for line in lines]
    texts = [" ".join(base[i : i + 12]) for i in range(0, 1200, 12)]
    near_ones = [text.replace(" the ", " THE , ", 3) + " , indeed" for text in texts]
    values, splits = ngram_hashes(texts + near_ones, 5)
    keys = near_keys(values, splits, **SHAPE)
    clusters = DuplicateClusters(200)
    for band in keys.T:
        clusters.join(band)
    assert clusters.labels().tolist() == [*range(100), *range(100)]
