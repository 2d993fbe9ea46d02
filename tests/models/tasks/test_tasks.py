import numpy as np
import pytest
import tensorflow as tf

from textmill.models.config import ModelConfig
from textmill.models.tasks.causal_lm import CausalLM
from textmill.models.tasks.task import cross_entropy
from textmill.models.tokenizers import SpecialTokens

SPECIALS = SpecialTokens(pad=0, unknown=1, start=2, end=3, mask=4)


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
