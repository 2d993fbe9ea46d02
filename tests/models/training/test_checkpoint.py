import numpy as np
import pytest

from textmill.models.errors import IntegrityError
from textmill.models.training.checkpoint import Checkpoints, Snapshot


@pytest.fixture
def checkpoints(tmp_path):
    saved = Checkpoints(tmp_path, key="a")
    for step in (1, 2, 3):
        tensors = {"w": np.full(4, step, np.float32)}
        saved.save(Snapshot(step, tensors, {"note": step}))
    saved.join()
    return saved


def test_the_newest_is_restored_and_two_are_kept(checkpoints, tmp_path):
    step, tensors, state = checkpoints.restore()
    assert (step, tensors["w"].tolist(), state) == (3, [3, 3, 3, 3], {"note": 3})
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "step-00000002",
        "step-00000003",
    ]


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json", "digests.json"])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_torn_newest_falls_back_and_says_so(checkpoints, tmp_path, name, harm):
    file = tmp_path / "step-00000003" / name
    data = bytearray(file.read_bytes())
    if harm == "remove":
        file.unlink()
    else:
        data[len(data) // 2] ^= 4
        file.write_bytes(data[:-9] if harm == "cut" else data)
    assert checkpoints.restore().step == 2
    assert "step-00000003 is not usable" in checkpoints.warnings[0]


@pytest.mark.parametrize("name", ["state.json", "digests.json"])
@pytest.mark.parametrize("text", ["[1]", "{}", "3", '"text"'])
def test_json_of_another_shape_falls_back(checkpoints, tmp_path, name, text):
    (tmp_path / "step-00000003" / name).write_text(text)
    assert checkpoints.restore().step == 2


def test_a_half_written_one_is_not_seen(checkpoints, tmp_path):
    (tmp_path / "step-00000004.staging").mkdir()
    assert checkpoints.restore().step == 3


def test_another_runs_state_is_refused(checkpoints, tmp_path):
    with pytest.raises(IntegrityError, match=r"step-00000003: expected the state of"):
        Checkpoints(tmp_path, key="b").restore()


def test_workers_restore_the_chiefs_checkpoints_and_write_none(checkpoints, tmp_path):
    worker = Checkpoints(tmp_path, key="a", writes=False)
    worker.save(Snapshot(4, {"w": np.zeros(1, np.float32)}, {}))
    worker.join()
    assert worker.restore().step == 3


def test_a_disk_that_refuses_is_heard_of_at_the_next_save(checkpoints, tmp_path):
    blocked = Checkpoints(tmp_path / "step-00000003" / "state.json", key="a")
    blocked.save(Snapshot(4, {"w": np.zeros(1, np.float32)}, {}))
    with pytest.raises(NotADirectoryError):
        blocked.join()
