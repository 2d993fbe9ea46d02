"""Errors of the machine, in words."""

import resource
import subprocess
import sys

import pytest

from textmill.models.errors import MachineError
from textmill.pipeline.machine_errors import (
    disk_full_errors,
    disk_full_message,
    machine_error_message,
    tells_of_no_memory,
)


def test_a_full_disk_is_seen_through_the_errors_that_wrap_it(tmp_path):
    wrapped = RuntimeError("sink failed: No space left on device [while running 'W']")
    assert disk_full_message(wrapped, tmp_path).startswith(f"{tmp_path}: No space left")
    assert disk_full_message(RuntimeError("sink failed"), tmp_path) is None
    with pytest.raises(MachineError), disk_full_errors(tmp_path):
        raise OSError(28, "No space left on device", str(tmp_path / "x"))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("can't start new thread"),
        ImportError("libx.so: failed to map segment from shared object"),
        RuntimeError("Traceback ...\nMemoryError [while running 'Tokenize']"),
        RuntimeError("OOM when allocating tensor with shape[9,9]"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_a_machine_without_memory_is_named_in_a_sentence(error, tmp_path):
    message = machine_error_message(error, "train", tmp_path)
    assert message.startswith("train: out of memory")


def test_a_cause_without_memory_is_seen_through_the_error_that_wraps_it(tmp_path):
    wrapped = RuntimeError("step failed")
    wrapped.__cause__ = MemoryError()
    assert machine_error_message(wrapped, "train", tmp_path) is not None
    assert machine_error_message(RuntimeError("step failed"), "x", tmp_path) is None


@pytest.mark.parametrize(
    "code",
    [
        "import threading as t\nfor _ in range(9000): t.Thread(target=input).start()",
        "x = [bytes(1 << 20) for _ in range(9000)]",
        "import numpy; numpy.zeros(1 << 32)",
        "import pyarrow; pyarrow.allocate_buffer(1 << 40)",
    ],
)
def test_a_limit_of_address_space_is_missing_memory(code):
    limit = 1 << 30
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        env={"OPENBLAS_NUM_THREADS": "1"},
        timeout=60,
    )
    assert done.returncode != 0
    assert tells_of_no_memory(done.stderr), done.stderr[-500:]
