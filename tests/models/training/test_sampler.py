import numpy as np
import pytest

from textmill.models.training.config import BatchConfig
from textmill.models.training.sampler import Sampler, padded_lengths, row_keys


def sampler(num_rows, batch, *, lengths=None):
    config = BatchConfig(global_batch=batch, length_buckets=lengths is not None)
    return Sampler(num_rows, config, seed=3, lengths=lengths)


def test_every_epoch_sees_every_row_once():
    order = sampler(10, 4)
    rows, _ = order.rows(0, 5)
    stream = rows.reshape(-1)
    assert sorted(stream[:10]) == sorted(stream[10:]) == list(range(10))
    assert stream[:10].tolist() != stream[10:].tolist()


def test_any_cut_into_calls_gives_the_same_rows_and_keys():
    whole = sampler(7, 3).rows(0, 20)
    order = sampler(7, 3)
    parts = [order.rows(a, b) for a, b in ((0, 1), (1, 9), (9, 20))]
    for i in range(2):
        np.testing.assert_array_equal(np.concatenate([p[i] for p in parts]), whole[i])


def test_a_step_can_be_asked_for_alone():
    whole = sampler(7, 3).rows(0, 20)
    alone = sampler(7, 3).rows(13, 14)
    np.testing.assert_array_equal(alone[0], whole[0][13:14])


def test_epochs_become_steps_rounded_up():
    assert sampler(10, 4).steps(1) == 3
    assert sampler(10, 4).steps(0.01) == 1


def test_keys_differ_by_row_epoch_and_seed():
    rows = np.arange(1000)
    keys = [row_keys(s, e, rows) for s, e in ((1, 0), (1, 1), (2, 0), (1, -1))]
    assert len(np.unique(np.concatenate(keys))) == 4000


def test_rows_of_one_padded_length_share_a_batch():
    lengths = np.random.default_rng(0).integers(1, 97, 640)
    rows, _ = sampler(640, 10, lengths=lengths).rows(0, 64)
    padded = padded_lengths(lengths, 32)[rows]
    mixed = np.ptp(padded, axis=1) > 0
    # At most one batch a limit between two lengths, in each of the two windows.
    assert mixed.sum() <= 4


@pytest.mark.parametrize(
    ("num_rows", "batch"), [(640, 32), (100, 32), (7, 3), (5, 8), (2000, 10)]
)
def test_length_buckets_see_every_row_once_an_epoch(num_rows, batch):
    lengths = np.random.default_rng(1).integers(1, 97, num_rows)
    stream, keys = (
        x.reshape(-1)
        for x in sampler(num_rows, batch, lengths=lengths).rows(0, num_rows)
    )
    plain_rows, plain_keys = (
        x.reshape(-1) for x in sampler(num_rows, batch).rows(0, num_rows)
    )
    for epoch in range(batch):
        part = slice(epoch * num_rows, (epoch + 1) * num_rows)
        assert sorted(stream[part]) == list(range(num_rows))
        key_of = dict(zip(plain_rows[part], plain_keys[part], strict=True))
        assert keys[part].tolist() == [key_of[row] for row in stream[part]]


def test_length_buckets_see_every_row_once_while_the_batch_grows():
    config = BatchConfig(
        global_batch=8, initial_batch=2, batch_ramp=30, length_buckets=True
    )
    lengths = np.random.default_rng(2).integers(1, 97, 50)
    order = Sampler(50, config, seed=3, lengths=lengths)
    steps = [order.rows(step, step + 1)[0].reshape(-1) for step in range(60)]
    stream = np.concatenate(steps)
    for epoch in range(len(stream) // 50):
        assert sorted(stream[50 * epoch : 50 * (epoch + 1)]) == list(range(50))


def test_any_cut_gives_the_same_batches_of_like_length():
    lengths = np.arange(50) * 2
    whole = sampler(50, 4, lengths=lengths).rows(0, 70)[0]
    order = sampler(50, 4, lengths=lengths)
    parts = [order.rows(a, b)[0] for a, b in ((0, 31), (31, 33), (33, 70))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
