"""The optimizers, each against its formula, and stock Muon for comparison."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from textmill.models.training.optimizers.config import OptimizerConfig
from textmill.models.training.optimizers.muon import matrix_shape, orthogonal
from textmill.models.training.optimizers.optimizer import make_optimizer
from textmill.models.training.optimizers.reduced_gradient import layer_multipliers

NAMES = ("adamw", "lamb", "adafactor", "lion", "sgd", "muon")


@pytest.fixture
def model():
    """A KerasHub encoder of two layers, as our tasks hold one."""
    import keras_hub

    keras.utils.clear_session()
    keras.utils.set_random_seed(3)
    return keras_hub.models.BertBackbone(
        vocabulary_size=20,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        dropout=0.0,
        max_sequence_length=6,
    )


def updated(model, steps=1, learning_rate=0.1, **knobs):
    """Returns weights by path before and after steps with gradients of noise."""
    knobs = {"weight_decay": 0.0, "epsilon": 1e-6, **knobs}
    optimizer = make_optimizer(model, OptimizerConfig(**knobs))
    weights = model.trainable_variables
    before = {v.path: v.numpy() for v in weights}
    generator = np.random.default_rng(0)
    gradients = {}
    for _ in range(steps):
        gradients = {v.path: noise(generator, v.shape) for v in weights}
        given = [tf.constant(gradients[v.path], tf.float32) for v in weights]
        optimizer.step(
            given,
            weights,
            learning_rate=tf.constant(learning_rate),
            average_decay=tf.constant(0.0),
        )
    return before, {v.path: v.numpy() for v in weights}, gradients


def noise(generator, shape):
    """Returns numbers that are not near 0."""
    return generator.uniform(0.5, 1.5, shape) * generator.choice([-1.0, 1.0], shape)


def path_of(weights, *parts):
    return next(path for path in weights if all(part in path for part in parts))


def close(a, b, tolerance=1e-5):
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_decay_excludes_named_weights_only(name, model):
    before, plain, _ = updated(model, optimizer=name)
    for variable in model.trainable_variables:
        variable.assign(before[variable.path])
    _, decayed, _ = updated(model, optimizer=name, weight_decay=0.5)
    differs = {path for path in before if not np.allclose(plain[path], decayed[path])}
    assert differs == {path for path in before if path.endswith("kernel")}


def test_the_first_step_of_adamw_and_lion_is_the_sign(model):
    for name in ("adamw", "lion"):
        before, after, gradients = updated(model, optimizer=name)
        for path, gradient in gradients.items():
            close(after[path] - before[path], -0.1 * np.sign(gradient), 1e-4)


def test_sgd_looks_ahead_by_nesterovs_momentum(model):
    before, after, gradients = updated(model, optimizer="sgd", momentum=0.5)
    path = path_of(before, "kernel")
    close(after[path], before[path] - 0.1 * 1.5 * gradients[path])


def test_lamb_scales_kernels_by_their_norm_and_leaves_biases_alone(model):
    before, after, gradients = updated(model, optimizer="lamb", weight_decay=0.5)
    path = path_of(before, "layer_0", "query", "kernel")
    update = np.sign(gradients[path]) + 0.5 * before[path]
    ratio = np.linalg.norm(before[path]) / np.linalg.norm(update)
    close(after[path], before[path] - 0.1 * ratio * update)
    path = path_of(before, "layer_0", "query", "bias")
    close(after[path], before[path] - 0.1 * np.sign(gradients[path]))


def test_adafactor_takes_steps_of_the_size_of_the_weights(model):
    before, after, _ = updated(model, optimizer="adafactor")
    path = path_of(before, "token_embedding")
    step, size = after[path] - before[path], before[path]
    rms = np.sqrt(np.mean(step**2)) / np.sqrt(np.mean(size**2))
    assert rms == pytest.approx(0.1, rel=1e-3)


def test_adafactor_is_keras_rule_in_the_memory_of_its_factors(model):
    before, ours, _ = updated(model, steps=3, learning_rate=0.02, optimizer="adafactor")
    weights = model.trainable_variables
    for variable in weights:
        variable.assign(before[variable.path])
    stock = keras.optimizers.Adafactor(0.02, relative_step=False)
    generator = np.random.default_rng(0)
    for _ in range(3):
        stock.apply([tf.constant(noise(generator, v.shape)) for v in weights], weights)
    for variable in weights:
        close(ours[variable.path], variable.numpy(), 1e-6)
    config = OptimizerConfig(optimizer="adafactor")
    ours = make_optimizer(model, config).variables
    moments = [v for v in ours if "moment" in v.path]
    sizes = [tuple(v.shape) for v in weights]
    factors = [
        math.prod(s[:-1]) + math.prod(s[:-2]) * s[-1] if len(s) > 1 else s[0]
        for s in sizes
    ]
    assert sum(math.prod(v.shape) for v in moments) == sum(factors)
    assert sum(math.prod(v.shape) for v in stock.variables) > sum(map(math.prod, sizes))


def test_muon_makes_the_updates_of_attention_orthogonal(model):
    before, after, gradients = updated(model, optimizer="muon")
    for name in ("query", "attention_output"):
        path = path_of(before, "layer_1", name, "kernel")
        matrix = gradients[path].reshape(8, 8).astype(np.float32)
        step = 0.1 * 0.2 * np.sqrt(8) * orthogonal(tf.constant(matrix)).numpy()
        close(after[path].reshape(8, 8), before[path].reshape(8, 8) - step)
    path = path_of(before, "layer_1", "query", "bias")
    close(after[path], before[path] - 0.1 * np.sign(gradients[path]), 1e-4)
    kernels = [v for v in model.trainable_variables if matrix_shape(v)]
    assert len(kernels) == 2 * 6
    assert all("kernel" in v.path and "layer_" in v.path for v in kernels)


def test_the_matrix_of_a_kernel_is_that_which_it_multiplies_by(model):
    shapes = {v.path: matrix_shape(v) for v in model.trainable_variables}
    assert shapes[path_of(shapes, "layer_0", "value", "kernel")] == (8, 8)
    assert shapes[path_of(shapes, "layer_0", "feedforward_inter", "kernel")] == (8, 16)
    assert shapes[path_of(shapes, "layer_0", "query", "bias")] is None
    assert shapes[path_of(shapes, "token_embedding")] is None
    assert shapes[path_of(shapes, "pooled_dense", "kernel")] is None


@pytest.mark.parametrize("shape", [(6, 6), (5, 12), (12, 5)])
def test_newton_and_schulz_bring_singular_values_near_one(shape):
    matrix = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    values = np.linalg.svd(orthogonal(tf.constant(matrix)), compute_uv=False)
    assert 0.6 < values.min() <= values.max() < 1.3


def test_stock_muon_passes_over_attention_and_takes_its_biases(model):
    stock = keras.optimizers.Muon()
    taken = {v.path for v in model.trainable_variables if len(v.shape) == 2}
    taken = {
        v.path
        for v in model.trainable_variables
        if v.path in taken and not stock._should_use_adamw(v)
    }
    assert any("query/bias" in path for path in taken)
    assert not any("query/kernel" in path for path in taken)


def test_lower_layers_learn_slower(model):
    weights = model.trainable_variables
    multipliers = dict(
        zip((v.path for v in weights), layer_multipliers(weights, 0.5), strict=True)
    )
    assert multipliers[path_of(multipliers, "pooled_dense")] == 1.0
    assert multipliers[path_of(multipliers, "layer_1", "query")] == 0.5
    assert multipliers[path_of(multipliers, "layer_0", "query")] == 0.25
    assert multipliers[path_of(multipliers, "token_embedding")] == 0.125
    before, after, gradients = updated(model, optimizer="sgd", layer_decay=0.5)
    path = path_of(before, "layer_0", "query", "kernel")
    close(after[path], before[path] - 0.1 * 0.25 * 1.95 * gradients[path])
