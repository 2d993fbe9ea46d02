"""Errors of the machine, in words."""

import pytest

from textmill.models.errors import MachineError
from textmill.pipeline.machine_errors import disk_full_errors, disk_full_message


def test_a_full_disk_is_seen_through_the_errors_that_wrap_it(tmp_path):
    wrapped = RuntimeError("sink failed: No space left on device [while running 'W']")
    assert disk_full_message(wrapped, tmp_path).startswith(f"{tmp_path}: No space left")
    assert disk_full_message(RuntimeError("sink failed"), tmp_path) is None
    with pytest.raises(MachineError), disk_full_errors(tmp_path):
        raise OSError(28, "No space left on device", str(tmp_path / "x"))
