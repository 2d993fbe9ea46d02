"""Clusters: connected components of documents with a common key."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.components.text.duplicate_clusters import DuplicateClusters
from textmill.components.text.minhash import NO_KEY, at_least, near_keys
from textmill.components.text.shingles import ngram_hashes


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
    assert clusters.labels.tolist() == labels_of(bands, size)


def test_clusters_are_transitive_across_bands():
    clusters = DuplicateClusters(7)
    clusters.join(np.array([1, 1, 2, 2, 3, 4, 5], np.uint64))
    clusters.join(np.array([1, 2, 2, 3, 3, 4, 5], np.uint64))
    assert clusters.labels.tolist() == [0, 0, 0, 0, 0, 5, 6]


def test_documents_that_take_no_part_are_not_joined():
    clusters = DuplicateClusters(4)
    clusters.join(np.array([9, NO_KEY, 9, NO_KEY], np.uint64))
    assert clusters.labels.tolist() == [0, 1, 0, 3]


def test_a_long_chain_is_one_cluster():
    size = 100_000
    order = np.random.default_rng(3).permutation(size)
    clusters = DuplicateClusters(size)
    for shift in (0, 1):
        keys = np.empty(size, np.uint64)
        keys[order] = (np.arange(size) + shift) // 2 + 1
        clusters.join(keys)
    assert not clusters.labels.any()


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
        return as_sets(clusters.labels, order)

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
    assert clusters.labels.tolist() == labels_of(edges, size)
    assert len(asked) == len(set(asked))


def test_a_true_pair_is_found_behind_a_first_that_is_like_neither():
    sets = [np.array([1, 2, 3]), np.array([7, 8, 9]), np.array([7, 8, 9, 10])]
    clusters = DuplicateClusters(3)
    clusters.join_verified(np.ones(3, np.uint64), at_least(0.75, sets.__getitem__))
    assert clusters.labels.tolist() == [0, 1, 1]


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
    keys = near_keys(values, splits, bands=14, hashes=8)
    clusters = DuplicateClusters(200)
    for band in keys.T:
        clusters.join(band)
    assert clusters.labels.tolist() == [*range(100), *range(100)]
