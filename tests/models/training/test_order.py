import numpy as np

from models.training.order import DataOrder, row_keys


def test_every_epoch_sees_every_row_once():
    order = DataOrder(10, batch=4, seed=3)
    rows, _ = order.rows(0, 5)
    stream = rows.reshape(-1)
    assert sorted(stream[:10]) == sorted(stream[10:]) == list(range(10))
    assert stream[:10].tolist() != stream[10:].tolist()


def test_any_cut_into_calls_gives_the_same_rows_and_keys():
    whole = DataOrder(7, batch=3, seed=3).rows(0, 20)
    order = DataOrder(7, batch=3, seed=3)
    parts = [order.rows(a, b) for a, b in ((0, 1), (1, 9), (9, 20))]
    for i in range(2):
        np.testing.assert_array_equal(np.concatenate([p[i] for p in parts]), whole[i])


def test_a_step_can_be_asked_for_alone():
    whole = DataOrder(7, batch=3, seed=3).rows(0, 20)
    alone = DataOrder(7, batch=3, seed=3).rows(13, 14)
    np.testing.assert_array_equal(alone[0], whole[0][13:14])


def test_epochs_become_steps_rounded_up():
    assert DataOrder(10, batch=4, seed=3).steps(1) == 3
    assert DataOrder(10, batch=4, seed=3).steps(0.01) == 1


def test_keys_differ_by_row_epoch_and_seed():
    rows = np.arange(1000)
    keys = [row_keys(s, e, rows) for s, e in ((1, 0), (1, 1), (2, 0), (1, -1))]
    assert len(np.unique(np.concatenate(keys))) == 4000
