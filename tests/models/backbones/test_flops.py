"""FLOPs by formula against the program that XLA compiles."""

import math
import re
from dataclasses import replace

import pytest
import tensorflow as tf

from textmill.models.backbones.flops import train_flops
from textmill.models.config import ModelConfig
from textmill.models.tasks import TASKS
from textmill.models.tokenizers import SpecialTokens

SPECIALS = SpecialTokens(pad=0, unknown=1, start=2, end=3, mask=4)
VOCABULARY, LENGTH, SLOTS, TARGET = 8000, 128, 20, 64

_DOT = re.compile(
    r" = \w+\[([\d,]*)\]\S* dot\(\w+\[([\d,]*)\].*lhs_contracting_dims=\{([\d,]*)\}"
)


def dot_flops(program):
    """Returns the operations of the matrix products in a program, as HLO text."""
    total = 0
    for numbers in _DOT.findall(program):
        product, left, contracted = ([int(n) for n in x.split(",")] for x in numbers)
        total += 2 * math.prod(product) * math.prod(left[n] for n in contracted)
    return total


def make(shape, task):
    return TASKS[task].load()(
        shape, vocabulary_size=VOCABULARY, specials=SPECIALS, num_labels=4
    )


def compiled(shape, task_name, *, training=False):
    """Returns the HLO of a task's sums, or of their gradient, for one row."""
    task = make(shape, task_name)
    slots = {"masked_lm": [1, SLOTS], "causal_lm": [1, LENGTH], "classify": [1]}
    slots["seq2seq"] = [1, TARGET]
    features = {
        "ids": tf.fill([1, LENGTH], 7),
        "mask": tf.ones([1, LENGTH], tf.int32),
        "target_ids": tf.fill([1, TARGET], 8),
        "positions": tf.zeros(slots[task_name], tf.int32),
        "targets": tf.zeros(slots[task_name], tf.int32),
        "weights": tf.ones(slots[task_name]),
    }

    def sums():
        return tf.reduce_sum(task.loss_sums(features, training=training)["loss"])

    def gradient():
        with tf.GradientTape() as tape:
            loss = sums()
        found = tape.gradient(loss, task.model.trainable_variables)
        return [tf.convert_to_tensor(g) for g in found if g is not None]

    function = tf.function(gradient if training else sums, jit_compile=True)
    return function.experimental_get_compiler_ir()(stage="hlo")


BERT = ModelConfig(layers=2, width=256, heads=4, sequence_length=LENGTH, dropout=0.0)
GPT = ModelConfig(
    family="gpt", layers=2, width=256, heads=4, sequence_length=LENGTH, dropout=0.0
)


LSTM = replace(BERT, family="lstm", layers=1)
MODERN = replace(GPT, recipe="modern")
SEQ2SEQ = replace(BERT, family="encoder_decoder", target_length=TARGET)


def formula(shape, task):
    head = make(shape, task).head_flops(LENGTH)
    return train_flops(shape, length=LENGTH, head=head)


@pytest.mark.parametrize(
    "shape, task",
    [
        (BERT, "masked_lm"),
        (BERT, "classify"),
        (GPT, "causal_lm"),
        (MODERN, "causal_lm"),
        (SEQ2SEQ, "seq2seq"),
    ],
)
def test_the_forward_pass_has_the_products_that_xla_compiles(shape, task):
    counted = dot_flops(compiled(shape, task))
    assert formula(shape, task) / 3 == pytest.approx(counted, rel=0.01)


def test_the_backward_pass_has_twice_as_many():
    counted = dot_flops(compiled(BERT, "masked_lm", training=True))
    assert formula(BERT, "masked_lm") == pytest.approx(counted, rel=0.1)


@pytest.mark.parametrize("shape, task", [(BERT, "masked_lm"), (GPT, "causal_lm")])
def test_xlas_own_cost_analysis_counts_the_same_within_a_tenth(shape, task):
    """TensorFlow does not offer the analysis; jaxlib has the same one."""
    jax = pytest.importorskip("jaxlib._jax", reason="jaxlib is not installed")
    hlo = pytest.importorskip("jaxlib._hlo", reason="jaxlib is not installed")
    from jaxlib import xla_client

    module = hlo.hlo_module_from_text(compiled(shape, task))
    cost = jax.hlo_module_cost_analysis(xla_client.make_cpu_client(), module)
    assert formula(shape, task) / 3 == pytest.approx(cost["flops"], rel=0.1)


def test_a_cell_of_an_lstm_has_the_products_that_xla_compiles():
    """The program has the cell twice: in a loop over the tokens, and for its shape."""
    head = 2 * 256 * 4
    cell = (dot_flops(compiled(LSTM, "classify")) - head) / 2
    assert formula(LSTM, "classify") / 3 == LENGTH * cell + head


def test_a_row_of_bert_base_takes_the_published_count():
    """6 operations a weight and token, and attention's own: 12 x 768 wide."""
    base = ModelConfig(layers=12, width=768, heads=12, sequence_length=512)
    weights = 12 * (4 * 768 * 768 + 2 * 768 * 3072)
    attention = 12 * 4 * 768 * 512
    head = 77 * (2 * 768 * 768 + 2 * 768 * 30522)
    flops = train_flops(base, length=512, head=head)
    assert flops == 6 * 512 * weights + 3 * 512 * attention + 3 * head
