"""The transformer of chosen parts: what it sees, how it turns, where it begins."""

from dataclasses import fields, replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from textmill.models.backbones.transformer import apply_rotary, rotary
from textmill.models.config import BlockConfig, ModelConfig
from textmill.models.tasks import TASKS
from textmill.models.tokenizers import SpecialTokens

SPECIALS = SpecialTokens(pad=0, unknown=1, start=2, end=3, mask=4)
MODERN = ModelConfig(
    recipe="modern", layers=2, width=16, heads=2, sequence_length=12, dropout=0.0
)
TOKENS = np.array([[2, 7, 9, 3, 2, 11, 12, 13, 3, 0, 0, 0]], np.int32)
TWO = np.array([[1, 1, 1, 1, 2, 2, 2, 2, 2, 0, 0, 0]], np.int32)
OTHER = {
    "norm": "post",
    "positions": "learned",
    "activation": "gelu_exact",
    "biases": True,
    "tied_embeddings": False,
    "zero_outputs": False,
    "qk_norm": False,
}


def make(shape, task, **knobs):
    keras.utils.clear_session()
    made = TASKS[task].load()(
        shape, vocabulary_size=40, specials=SPECIALS, seed=3, num_labels=3, **knobs
    )
    generator = np.random.default_rng(0)
    for variable in made.model.trainable_variables:
        # Away from zero outputs, where a block would say nothing of what it sees.
        noise = generator.normal(0, 0.3, variable.shape)
        variable.assign(variable + noise.astype("float32"))
    return made


def states(task, ids, mask):
    hidden = keras.Model(task._inputs, task.family.sequence(task._hidden))
    return hidden({"ids": ids, "mask": mask}).numpy()[0]


@pytest.mark.parametrize(
    "family, choice",
    [
        *(("bert", choice) for choice in (None, "norm", "positions")),
        *(("gpt", choice) for choice in (None, *OTHER)),
    ],
)
def test_documents_in_a_row_are_as_alone(family, choice):
    other = {choice: OTHER[choice]} if choice else {}
    task = {"bert": "masked_lm", "gpt": "causal_lm"}[family]
    made = make(replace(MODERN, family=family, **other), task, attention="document")
    packed = states(made, TOKENS, TWO)
    for start, end in ((0, 4), (4, 9)):
        one = np.ones((1, end - start), np.int32)
        alone = states(made, TOKENS[:, start:end], one)
        np.testing.assert_allclose(packed[start:end], alone, atol=1e-5)


@pytest.mark.parametrize("family, task", [("bert", "masked_lm"), ("gpt", "causal_lm")])
def test_padding_changes_nothing_before_it(family, task):
    made = make(replace(MODERN, family=family), task)
    cut = states(made, TOKENS[:, :9], np.ones((1, 9), np.int32))
    padded = states(made, TOKENS, (np.arange(12) < 9).astype(np.int32)[None])
    np.testing.assert_allclose(padded[:9], cut, atol=1e-5)


def test_gpt_does_not_attend_to_later_tokens():
    made = make(replace(MODERN, family="gpt"), "causal_lm")
    changed = TOKENS.copy()
    changed[0, 6:] = 5
    ones = np.ones_like(TOKENS)
    before, after = states(made, TOKENS, ones), states(made, changed, ones)
    np.testing.assert_array_equal(before[:6], after[:6])
    assert np.abs(before[6:] - after[6:]).max() > 0.1


def test_turned_products_depend_on_the_distance_alone():
    generator = np.random.default_rng(1)
    query, key = generator.normal(size=(2, 1, 1, 1, 8)).astype("float32")

    def product(here, there):
        turned = [
            apply_rotary(x, rotary(np.array([[at]]), 8))
            for x, at in ((query, here), (key, there))
        ]
        return float(tf.reduce_sum(turned[0] * turned[1]))

    assert product(3, 1) == pytest.approx(product(40, 38), abs=1e-5)
    assert product(0, 0) == pytest.approx(float((query * key).sum()), abs=1e-6)
    assert abs(product(3, 1) - product(3, 2)) > 1e-3


def test_zero_outputs_begin_as_the_normalized_embedding():
    task = TASKS["masked_lm"].load()(MODERN, vocabulary_size=40, specials=SPECIALS)
    found = states(task, TOKENS, TWO)
    embedding = task.backbone.token_embedding.embeddings.numpy()[TOKENS[0]]
    embedding += task.backbone.get_layer("segment_embedding").embeddings.numpy()[0]
    centred = embedding - embedding.mean(-1, keepdims=True)
    for _ in range(2):
        centred /= np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(found, centred, atol=1e-5)


def test_choices_are_the_recipes_but_where_they_are_made():
    assert MODERN.blocks == BlockConfig(
        norm="pre",
        positions="rotary",
        activation="geglu",
        biases=False,
        tied_embeddings=True,
        zero_outputs=True,
        qk_norm=True,
    )
    assert replace(MODERN, norm="post").blocks.norm == "post"
    assert ModelConfig().blocks == BlockConfig(norm="post")
    assert ModelConfig(family="gpt").blocks == BlockConfig(norm="pre")
    assert {f.name for f in fields(BlockConfig)} == set(OTHER)


def test_geglu_has_as_many_weights_as_gelu():
    assert replace(MODERN, width=768, heads=12).feed_forward_size == 2048
    assert replace(MODERN, width=128).feed_forward_size == 352
    assert ModelConfig(width=128).feed_forward_size == 512


def test_rotary_rotates_pairs():
    with pytest.raises(ValueError, match="an even width per head"):
        replace(MODERN, width=6, heads=2)


@pytest.mark.parametrize("choice", ["biases", "qk_norm", "tied_embeddings"])
def test_a_choice_is_a_set_of_weights(choice):
    shape = replace(MODERN, family="gpt", biases=True)
    found = [
        {
            v.path
            for v in make(replace(shape, **{choice: on}), "causal_lm").model.weights
        }
        for on in (False, True)
    ]
    extra = {path.split("/")[-2:][0] for path in found[0] ^ found[1]}
    expected = {
        "qk_norm": {"query_norm", "key_norm"},
        "tied_embeddings": {"token_logits"},
    }
    if choice == "biases":
        assert all(p.endswith(("bias", "beta")) for p in found[0] ^ found[1])
        assert found[0] < found[1]
    else:
        assert extra == expected[choice]
