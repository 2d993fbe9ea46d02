import numpy as np

from textmill.models.training.config import BatchConfig
from textmill.models.training.sampler import Sampler, row_keys


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


def test_like_lengths_share_a_batch_and_no_row_is_lost():
    lengths = np.random.default_rng(0).integers(1, 100, 640)
    order = sampler(640, 10, lengths=lengths)
    rows, _ = order.rows(0, 64)
    assert sorted(rows.reshape(-1)) == list(range(640))
    spread = np.ptp(lengths[rows], axis=1)
    plain = np.ptp(lengths[sampler(640, 10).rows(0, 64)[0]], axis=1)
    assert spread.mean() < plain.mean() / 10


def test_any_cut_gives_the_same_batches_of_like_length():
    lengths = np.arange(50)
    whole = sampler(50, 4, lengths=lengths).rows(0, 70)[0]
    order = sampler(50, 4, lengths=lengths)
    parts = [order.rows(a, b)[0] for a, b in ((0, 31), (31, 33), (33, 70))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
