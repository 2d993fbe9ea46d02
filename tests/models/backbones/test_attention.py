"""Documents that share a row: none sees another, and each begins at position 0."""

import numpy as np
import pytest
import tensorflow as tf

from textmill.models.backbones.attention import document_mask_and_positions
from textmill.models.config import ModelConfig
from textmill.models.tasks import TASKS
from textmill.models.tokenizers import SpecialTokens

SPECIALS = SpecialTokens(pad=0, unknown=1, start=2, end=3, mask=4)
FIRST, SECOND = [2, 7, 8, 9, 3], [2, 11, 12, 3]


def task_of(family, attention):
    shape = ModelConfig(
        family=family, layers=2, width=16, heads=2, sequence_length=12, dropout=0.1
    )
    kind = {"bert": "masked_lm", "gpt": "causal_lm"}[family]
    return TASKS[kind].load()(
        shape, vocabulary_size=20, specials=SPECIALS, seed=3, attention=attention
    )


def states(task, rows, segments=None):
    """Returns hidden states ``[rows, length, width]``."""
    ids = np.zeros((len(rows), 12), np.int32)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    mask = (ids > 0).astype(np.int32) if segments is None else segments
    if task.attention == "document":
        model = task.family.with_document_mask(task.backbone)
        found = model({"ids": tf.constant(ids), "segments": tf.constant(mask)})
    else:
        inputs = task.family.inputs(tf.constant(ids), tf.constant(mask))
        found = task.backbone(inputs)
    return np.array(task.family.sequence(found))


def test_positions_restart_per_document_and_padding_attends_to_itself():
    same, positions = document_mask_and_positions(tf.constant([[1, 1, 2, 2, 2, 0]]))
    assert positions.numpy().tolist() == [[0, 1, 0, 1, 2, 0]]
    assert same.numpy()[0].astype(int).tolist() == [
        [1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [0, 0, 1, 1, 1, 0],
        [0, 0, 1, 1, 1, 0],
        [0, 0, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 1],
    ]


@pytest.mark.parametrize("family", ["bert", "gpt"])
def test_a_document_has_the_states_that_it_has_alone(family):
    packed = task_of(family, "document")
    alone = task_of(family, "row")
    segments = np.array([[1] * 5 + [2] * 4 + [0] * 3], np.int32)
    together = states(packed, [FIRST + SECOND], segments)[0]
    by_itself = states(alone, [FIRST, SECOND])
    np.testing.assert_allclose(together[:5], by_itself[0, :5], atol=2e-6)
    np.testing.assert_allclose(together[5:9], by_itself[1, :4], atol=2e-6)
    assert np.isfinite(together).all()


@pytest.mark.parametrize("family", ["bert", "gpt"])
def test_changing_a_document_changes_no_state_of_another(family):
    packed = task_of(family, "document")
    segments = np.array([[1] * 5 + [2] * 4 + [0] * 3], np.int32)
    before = states(packed, [FIRST + SECOND], segments)[0]
    after = states(packed, [[2, 17, 18, 19, 3, *SECOND]], segments)[0]
    np.testing.assert_array_equal(before[5:9], after[5:9])
    assert np.abs(before[:5] - after[:5]).max() > 1e-3


@pytest.mark.parametrize("family", ["bert", "gpt"])
def test_both_ways_of_attention_have_the_same_weights(family):
    packed, alone = task_of(family, "document"), task_of(family, "row")
    ours, theirs = packed.tensors(), alone.tensors()
    assert ours.keys() == theirs.keys()
    for name, variable in ours.items():
        np.testing.assert_array_equal(variable.numpy(), theirs[name].numpy())
