"""Losses that need less memory: chunked logits and recomputed blocks."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from textmill.models.config import ModelConfig
from textmill.models.tasks import TASKS
from textmill.models.tasks.chunked_loss import chunked_cross_entropy
from textmill.models.tasks.config import CausalLMConfig
from textmill.models.tasks.task import cross_entropy
from textmill.models.tokenizers import SpecialTokens

SPECIALS = SpecialTokens(pad=0, unknown=1, start=2, end=3, mask=4)
GPT = ModelConfig(family="gpt", layers=1, width=16, heads=2, sequence_length=12)
FEATURES = {
    "ids": np.random.default_rng(1).integers(5, 50, (3, 12)).astype(np.int32),
    "mask": np.ones((3, 12), np.int32),
    "positions": np.tile(np.arange(4, dtype=np.int32), (3, 1)),
}


def update(shape, task, *, compiled, seed=7, **knobs):
    """Returns the sums and gradients of one step from the same start."""
    keras.utils.clear_session()
    row = TASKS[task]
    instance = row.load()(
        shape,
        vocabulary_size=50,
        specials=SPECIALS,
        seed=seed,
        task_config=row.config(**knobs),
    )
    slots = (3, 4) if task == "masked_lm" else (3, 12)
    generator = np.random.default_rng(2)
    features = {
        **FEATURES,
        "targets": generator.integers(5, 50, slots).astype(np.int32),
        "weights": generator.integers(0, 2, slots).astype(np.float32),
    }

    @tf.function(jit_compile=compiled)
    def step(features):
        with tf.GradientTape() as tape:
            sums = instance.loss_sums(features, training=True)
            loss = tf.reduce_sum(sums["loss"])
        return sums, tape.gradient(loss, instance.model.trainable_variables)

    sums, gradients = step({k: tf.constant(v) for k, v in features.items()})
    return {k: v.numpy() for k, v in sums.items()}, [
        tf.convert_to_tensor(g).numpy() for g in gradients if g is not None
    ]


def assert_equal(result, wanted, *, tolerance):
    for name, value in wanted[0].items():
        np.testing.assert_allclose(result[0][name], value, rtol=tolerance)
    largest = max(np.abs(value).max() for value in wanted[1])
    for actual, expected in zip(result[1], wanted[1], strict=True):
        # Some gradients are nothing but rounding: those of the keys' biases are 0.
        scale = max(np.abs(expected).max(), 1e-2 * largest)
        np.testing.assert_allclose(actual / scale, expected / scale, atol=tolerance)


@pytest.mark.parametrize("chunk", [1, 5, 36, 100])
def test_chunks_of_any_size_give_the_plain_loss_and_gradients(chunk):
    generator = np.random.default_rng(3)
    hidden = tf.constant(generator.normal(size=(3, 12, 8)).astype("float32"))
    matrix = tf.constant(generator.normal(size=(50, 8)).astype("float32"))
    targets = tf.constant(generator.integers(0, 50, (3, 12)).astype("int32"))
    weights = tf.constant(generator.random((3, 12)).astype("float32"))
    scale = tf.constant([1.0, -2.0, 0.5])
    any_batch = tf.TensorSpec([None, None, 8]), tf.TensorSpec([50, 8])

    @tf.function(input_signature=any_batch)
    def chunked(hidden, matrix):
        return chunked_cross_entropy(hidden, matrix, targets, weights, chunk=chunk)

    results = []
    for is_chunked in (True, False):
        with tf.GradientTape() as tape:
            tape.watch((hidden, matrix))
            if is_chunked:
                sums = chunked(hidden, matrix)
            else:
                logits = tf.matmul(hidden, matrix, transpose_b=True)
                sums = cross_entropy(logits, targets, weights)
            loss = tf.reduce_sum(sums["loss"] * scale)
        results.append((sums, tape.gradient(loss, (hidden, matrix))))
    assert_equal(*results, tolerance=2e-6)


@pytest.mark.parametrize("tied, compiled", [(True, True), (False, False)])
def test_a_chunked_model_makes_the_plain_update(tied, compiled):
    shape = replace(GPT, tied_embeddings=tied, recipe="modern", zero_outputs=False)
    shape = replace(shape, dropout=0.0)  # XLA drops other activations.
    plain = update(shape, "causal_lm", compiled=False)
    chunked = update(shape, "causal_lm", compiled=compiled, loss_chunk=7)
    assert_equal(chunked, plain, tolerance=1e-5)


def test_no_tensor_of_a_chunked_step_has_all_logits():
    def largest(loss_chunk):
        keras.utils.clear_session()
        instance = TASKS["causal_lm"].load()(
            GPT,
            vocabulary_size=5000,
            specials=SPECIALS,
            task_config=CausalLMConfig(loss_chunk=loss_chunk),
        )
        features = {k: tf.constant(v) for k, v in FEATURES.items()}
        features |= {"targets": features["ids"], "weights": tf.ones([3, 12])}

        def step():
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(
                    instance.loss_sums(features, training=True)["loss"]
                )
            return tape.gradient(loss, instance.model.trainable_variables)

        memory = tf.function(step, jit_compile=True).experimental_get_compiler_ir()
        program = memory(stage="optimized_hlo")
        return "f32[36,5000]" in program or "f32[3,12,5000]" in program

    assert largest(None)
    assert not largest(4)


@pytest.mark.parametrize(
    "recipe, family, task, compiled",
    [
        ("classic", "bert", "masked_lm", False),
        pytest.param("modern", "gpt", "causal_lm", True, marks=pytest.mark.slow),
    ],
)
def test_recomputed_blocks_make_the_same_update(recipe, family, task, compiled):
    shape = replace(GPT, family=family, recipe=recipe, dropout=0.2, zero_outputs=False)
    plain = update(shape, task, compiled=compiled)
    again = update(
        replace(shape, activation_checkpointing=True), task, compiled=compiled
    )
    assert_equal(again, plain, tolerance=1e-5)


def test_stock_rematerialization_drops_other_activations():
    """Ours does not; when this fails, Keras keeps its dropout."""
    keras.utils.clear_session()
    with keras.RematScope(mode="full"):
        layer = keras.layers.Dropout(0.5, seed=1)
    x = tf.ones([1, 1000])
    with tf.GradientTape() as tape:
        tape.watch(x)
        dropped = layer(x, training=True)
    slope = tape.gradient(dropped, x)
    assert (dropped.numpy() != slope.numpy()).mean() > 0.3
