"""One contract for all: every family, task and recipe, from rows to answers."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from tests.marks import slow_except
from textmill.models.config import ModelConfig
from textmill.models.errors import IntegrityError
from textmill.models.export.saved_model import SavedModel
from textmill.models.families import FAMILIES
from textmill.models.generation.config import GenerateConfig
from textmill.models.targets import TARGETS
from textmill.models.tasks import TASKS
from textmill.models.tasks.server import ServingOptions
from textmill.models.tokenizers import SPECIAL_TOKENS, Character
from textmill.models.weights import load_weights, save_weights, warm_start

LENGTH = 12
TOKENIZER = Character([*SPECIAL_TOKENS, *" ab"])
TEXTS = ["abba", "", "a b", "b" * 40, "zzz"]
KNOBS = {"embed": {"contrast_size": 3}}
"""Knobs of tasks that three rows suit."""
WEIGHTS = {
    "classify": [1, 1, 1],
    "masked_lm": [1, 1, 1],
    "causal_lm": [4, 1, 5],
}
"""Targets of the rows that ``rows_for`` returns."""
CASES = [
    (family, task, recipe)
    for family in (name for name in FAMILIES if FAMILIES[name].is_encoder)
    for task, row in TASKS.items()
    if family in row.families
    for recipe in (("classic",) if family == "lstm" else ("classic", "modern"))
]

QUICK = [
    (family, task, recipe)
    for family, task, recipe in CASES
    if (family, task) in {("bert", "classify"), ("gpt", "causal_lm")}
    or (family, task, recipe) == ("lstm", "classify", "classic")
    or (family == TASKS[task].families[0] and recipe == "modern")
]
"""Every task in a family, and every family and recipe with a task."""


def make(
    family, task, recipe="classic", *, seed=1, policy="float32", dropout=0.1, **knobs
):
    keras.utils.clear_session()
    keras.config.set_dtype_policy(policy)
    return TASKS[task].load()(
        ModelConfig(
            family=family,
            recipe=recipe,
            layers=1,
            width=16,
            heads=2,
            sequence_length=LENGTH,
            dropout=dropout,
            **knobs,
        ),
        vocabulary_size=TOKENIZER.size,
        specials=TOKENIZER.specials,
        seed=seed,
        num_labels=2 if TARGETS[TASKS[task].target].has_labels else 0,
        task_config=TASKS[task].config(**KNOBS.get(task, {})),
    )


def rows_for(task):
    return task.example_rows(TOKENIZER, ["abba", "a", "b b a"])


def measured(task, features, *, compiled):
    run = tf.function(lambda x: task.loss_sums(x, training=False), jit_compile=compiled)
    return {name: value.numpy() for name, value in run(features).items()}


@pytest.mark.parametrize("family, task, recipe", slow_except(CASES, QUICK))
def test_a_model_goes_from_rows_to_answers(family, task, recipe, tmp_path):
    made = make(family, task, recipe)
    features = made.features(rows_for(made))
    sums = measured(made, features, compiled=recipe == "modern" or family == "lstm")
    assert tuple(sums) == made.sum_names
    assert (sums["weight"] > 0).all()
    if task in WEIGHTS:
        np.testing.assert_array_equal(sums["weight"], WEIGHTS[task])
    assert np.isfinite(sums["loss"]).all() and (sums["loss"] > 0).all()

    digest = save_weights(made, tmp_path / "weights")
    other = make(family, task, recipe, seed=2)
    load_weights(other, load_file(tmp_path / "weights"), source="weights")
    again = measured(other, other.features(rows_for(other)), compiled=False)
    np.testing.assert_allclose(again["loss"], sums["loss"], rtol=1e-5)
    assert save_weights(other, tmp_path / "again") == digest

    options = ServingOptions(labels=("a", "b"), generate=GenerateConfig(max_tokens=3))
    SavedModel().write(other, TOKENIZER, tmp_path / "saved", options)
    runtime = SavedModel().load(tmp_path / "saved")
    texts = TEXTS if runtime.num_texts == 1 else [(t, "a b") for t in TEXTS]
    answers = runtime.answer(texts)
    expected = other.serve(TOKENIZER, options).reference_answers(texts)
    for here, there in zip(answers, expected, strict=True):
        assert set(here) == set(there)
        for name, value in there.items():
            if np.asarray(value).dtype.kind == "f":
                np.testing.assert_allclose(here[name], value, atol=1e-5)
            elif name != "spans":
                assert here[name] == value


@pytest.mark.slow
@pytest.mark.parametrize(
    "family, task",
    [
        ("gpt", "causal_lm"),
        ("bert", "masked_lm"),
    ],
)
def test_the_modern_recipe_learns_in_mixed_precision(family, task):
    """The activations have 8 bits of precision; the loss is the same to that."""
    losses = []
    for policy in ("float32", "mixed_bfloat16"):
        made = make(family, task, "modern", dropout=0.0, policy=policy)
        assert made.backbone.get_layer("output_norm").compute_dtype == (
            policy.removeprefix("mixed_")
        )
        features = made.features(rows_for(made))
        losses.append(descend(made, features, compiled=policy != "float32"))
    keras.config.set_dtype_policy("float32")
    np.testing.assert_allclose(*losses, rtol=0.05)
    assert losses[0][-1] < 0.8 * losses[0][0]


def descend(task, features, *, compiled, steps=8):
    """Returns the losses of plain gradient descent."""
    variables = task.model.trainable_variables

    @tf.function(jit_compile=compiled)
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(task.loss_sums(features, training=True)["loss"])
        for slope, variable in zip(
            tape.gradient(loss, variables), variables, strict=True
        ):
            if slope is not None:
                slope = tf.cast(tf.convert_to_tensor(slope), tf.float32)
                variable.assign_sub(0.02 * tf.clip_by_norm(slope, 5.0))
        return loss

    return [float(step()) for _ in range(steps)]


@pytest.mark.parametrize("recipe", ["classic", "modern"])
def test_a_classifier_starts_from_the_backbone_of_a_language_model(recipe):
    base = make("bert", "masked_lm", recipe).tensors()
    base = {name: np.asarray(value) for name, value in base.items()}
    task = make("bert", "classify", recipe, seed=9)
    started = warm_start(task, base, source="base")
    assert started["new"] == ["head/logits/bias", "head/logits/kernel"]
    assert started["unused"] == sorted(n for n in base if n.startswith("head/"))
    shared = task.tensors().keys() & base
    assert len(shared) == sum(name.startswith("backbone/") for name in base)
    for name in shared:
        np.testing.assert_array_equal(task.tensors()[name], base[name])


def test_a_language_model_goes_on_with_its_head():
    base = make("bert", "masked_lm").tensors()
    base = {name: np.asarray(value) for name, value in base.items()}
    task = make("bert", "masked_lm", seed=9)
    assert warm_start(task, base, source="base") == {"new": [], "unused": []}
    for name, value in task.tensors().items():
        np.testing.assert_array_equal(value, base[name])


def test_a_backbone_that_lacks_a_tensor_starts_nothing():
    base = make("bert", "masked_lm").tensors()
    base = {name: np.asarray(value) for name, value in base.items()}
    del base["backbone/embeddings_layer_norm/beta"]
    with pytest.raises(IntegrityError, match="base: lacks backbone/embeddings_layer_n"):
        warm_start(make("bert", "masked_lm"), base, source="base")


def test_a_head_of_other_labels_is_no_start():
    base = make("bert", "classify").tensors()
    base = {name: np.asarray(value) for name, value in base.items()}
    base["head/logits/bias"] = np.zeros(7, np.float32)
    with pytest.raises(IntegrityError) as caught:
        warm_start(make("bert", "classify"), base, source="base")
    assert str(caught.value) == (
        "base: head/logits/bias has shape (7,), the model's has (2,); start from a "
        "model with the same labels, or from a language model"
    )
    assert caught.value.exit_code == 4


def test_the_modern_recipe_tells_sentences_apart():
    keras.utils.clear_session()
    shape = ModelConfig(recipe="modern", layers=1, width=16, sequence_length=LENGTH)
    made = TASKS["masked_lm"].load()(
        replace(shape, zero_outputs=False),
        vocabulary_size=TOKENIZER.size,
        specials=TOKENIZER.specials,
        next_sentence=True,
    )
    ones = tf.ones([3, LENGTH], tf.int32)
    rows = rows_for(made) | {"follows": tf.constant([0, 1, 1])}
    found = [
        measured(made, made.features(rows | {"types": ones * n}), compiled=False)
        for n in (0, 1)
    ]
    assert tuple(found[0])[-3:] == ("next_loss", "next_correct", "rows")
    assert (np.abs(found[0]["loss"] - found[1]["loss"]) > 1e-5).all()


@pytest.mark.parametrize("recipe", ["classic", "modern"])
def test_a_classifier_can_read_the_embeddings_below_all_layers(recipe):
    made = make("bert", "classify", recipe, pooling="mean_and_embeddings")
    assert made.tensors()["head/logits/kernel"].shape == (2 * 16, 2)
    features = made.features(rows_for(made))
    read = keras.Model(made.model.input, made.model.get_layer("dropout").output)
    below = read({name: features[name] for name in made.model.input})[:, 16:]
    tokens = made.backbone.token_embedding.embeddings.numpy()
    for row, ids, mask in zip(below, features["ids"], features["mask"], strict=True):
        mean = tokens[ids.numpy()[mask.numpy() == 1]].mean(axis=0)
        expected = (mean - mean.mean()) / np.sqrt(mean.var() + 1e-3)
        np.testing.assert_allclose(row, expected, atol=1e-5)


def test_weights_of_another_recipe_are_refused(tmp_path):
    save_weights(make("gpt", "causal_lm", "classic"), tmp_path / "base")
    with pytest.raises(IntegrityError, match="weights do not match the model"):
        load_weights(
            make("gpt", "causal_lm", "modern"),
            load_file(tmp_path / "base"),
            source="base",
        )


def test_the_classic_recipe_is_keras_hubs_own(tmp_path):
    names = list(make("gpt", "causal_lm").tensors())
    assert "backbone/transformer_layer_0/self_attention/query/kernel" in names
    assert len(names) == 2 + 16 + 2


@pytest.mark.parametrize(
    "knobs, fault",
    [
        ({"family": "lstm", "recipe": "modern"}, "a transformer .* with recipe"),
        ({"family": "lstm", "norm": "pre"}, "a transformer .* with norm"),
        ({"layers": 0}, "layers of 1 or more, got 0"),
    ],
)
def test_what_cannot_be_is_refused(knobs, fault):
    with pytest.raises(ValueError, match=fault):
        replace(ModelConfig(), **knobs)
