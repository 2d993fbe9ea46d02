import math

import numpy as np
import pytest
import tensorflow as tf

from models.families import ModelConfig
from models.tasks import CausalLM, MaskedLM, cross_entropy, uniform
from models.tokenization import Specials
from models.training.order import row_keys

SPECIALS = Specials(pad=0, unknown=1, start=2, end=3, mask=4)
LENGTH, VOCABULARY = 32, 200


@pytest.fixture(scope="module")
def masked():
    shape = ModelConfig(layers=1, width=8, heads=2, sequence_length=LENGTH)
    return MaskedLM(
        shape, vocabulary_size=VOCABULARY, specials=SPECIALS, seed=1, mask_rate=0.15
    )


@pytest.fixture(scope="module")
def drawn(masked):
    generator = np.random.default_rng(0)
    count = 4000
    length = generator.integers(3, LENGTH + 1, count).astype(np.int32)
    ids = generator.integers(5, VOCABULARY, (count, LENGTH)).astype(np.int32)
    ids[:, 0] = SPECIALS.start
    ids[np.arange(count), length - 1] = SPECIALS.end
    ids[np.arange(LENGTH)[None] >= length[:, None]] = SPECIALS.pad
    rows = {"ids": ids, "length": length, "keys": row_keys(7, 0, np.arange(count))}
    features = masked.features({k: tf.constant(v) for k, v in rows.items()})
    return rows, {k: v.numpy() for k, v in features.items()}


def test_every_row_predicts_its_share_and_at_least_one(drawn):
    rows, features = drawn
    wanted = np.clip(np.round(0.15 * (rows["length"] - 2)), 1, math.ceil(0.15 * LENGTH))
    np.testing.assert_array_equal(features["weights"].sum(1), wanted)


def test_targets_are_the_tokens_that_were_there(drawn):
    rows, features = drawn
    real = features["weights"] > 0
    there = np.take_along_axis(rows["ids"], features["positions"], 1)
    np.testing.assert_array_equal(features["targets"][real], there[real])
    assert not np.isin(there[real], [0, 2, 3]).any()


def test_nothing_but_chosen_tokens_changes(drawn):
    rows, features = drawn
    changed = rows["ids"] != features["ids"]
    chosen = np.zeros_like(changed)
    row = np.repeat(np.arange(len(chosen)), features["weights"].sum(1).astype(int))
    chosen[row, features["positions"][features["weights"] > 0]] = True
    assert not (changed & ~chosen).any()


def test_eight_in_ten_are_masked_and_half_of_the_rest_is_kept(drawn):
    _, features = drawn
    real = features["weights"] > 0
    now = np.take_along_axis(features["ids"], features["positions"], 1)[real]
    total = len(now)
    masked = (now == SPECIALS.mask).sum()
    kept = (now == features["targets"][real]).sum()
    random = total - masked - kept
    # A random token is by chance the mask or the one that was there.
    expected = np.array([0.8 + 0.1 / 200, 0.1 + 0.1 / 200, 0.1 - 0.2 / 200]) * total
    statistic = (((masked, kept, random) - expected) ** 2 / expected).sum()
    assert statistic < 13.8  # chi-square, 2 degrees of freedom, p = 0.001


def test_masks_depend_on_the_row_and_epoch_alone(masked, drawn):
    rows, features = drawn
    some = np.array([17, 4, 99])
    again = masked.features({k: tf.constant(v[some]) for k, v in rows.items()})
    np.testing.assert_array_equal(again["ids"], features["ids"][some])
    later = {**{k: v[some] for k, v in rows.items()}, "keys": row_keys(7, 1, some)}
    other = masked.features({k: tf.constant(v) for k, v in later.items()})
    assert (other["ids"].numpy() != features["ids"][some]).any()


def test_uniform_is_uniform():
    draws = uniform(tf.range(1000)[:, None], tf.range(100)[None, :], 1).numpy()
    counts, _ = np.histogram(draws, 20, (0, 1))
    assert draws.min() >= 0 and draws.max() < 1
    assert (((counts - 5000) ** 2) / 5000).sum() < 43.8  # 19 degrees, p = 0.001


def test_causal_features_shift_by_one():
    shape = ModelConfig(family="gpt", layers=1, width=8, heads=2, sequence_length=4)
    task = CausalLM(shape, vocabulary_size=20, specials=SPECIALS)
    rows = {"ids": tf.constant([[5, 6, 7, 3, 0]]), "length": tf.constant([4])}
    features = {k: v.numpy().tolist() for k, v in task.features(rows).items()}
    assert features == {
        "ids": [[5, 6, 7, 3]],
        "mask": [[1, 1, 1, 1]],
        "targets": [[6, 7, 3, 0]],
        "weights": [[1.0, 1.0, 1.0, 0.0]],
    }


def test_losses_are_sums_by_row_and_weightless_tokens_count_nothing():
    three = float(np.log(3))
    logits = tf.constant([[[0.0, 0.0], [9.0, 0.0]], [[three, 0.0], [0.0, three]]])
    weights = tf.constant([[1.0, 0.0], [1.0, 1.0]])
    sums = cross_entropy(logits, tf.constant([[1, 1], [0, 0]]), weights)
    expected = [np.log(2), np.log(4 / 3) + np.log(4)]
    np.testing.assert_allclose(sums["loss"], expected, rtol=1e-6)
    np.testing.assert_allclose(sums["weight"], [1, 2])
    np.testing.assert_allclose(sums["correct"], [0, 1])


def test_stock_keras_divides_by_weightless_slots_too():
    """What the sums avoid; when this fails, Keras has changed its mean."""
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    logits, targets = np.zeros((1, 96, 1000)), np.zeros((1, 96), int)
    weights = (np.arange(96) < 19)[None].astype("float32")
    assert float(loss(targets, logits, sample_weight=weights)) == pytest.approx(
        np.log(1000) * 19 / 96, rel=1e-4
    )
