"""A fresh process runs an export, with limits of time and memory."""

import pytest

from textmill.components.infra_validator.fresh_process import ask_fresh_process, latency
from textmill.models.errors import IntegrityError, MachineError


def ask(folder, *, max_seconds=600, max_memory=2**40):
    request = folder / "request.json"
    request.write_text("[]")
    return ask_fresh_process(
        "saved_model",
        folder,
        request,
        max_seconds=max_seconds,
        max_memory=max_memory,
    )


def test_a_process_above_its_memory_is_killed(tmp_path):
    with pytest.raises(MachineError, match=r"validate\.max_memory allows 0\.03125"):
        ask(tmp_path, max_memory=2**25)


def test_a_process_that_takes_too_long_is_killed(tmp_path):
    with pytest.raises(MachineError, match=r"all texts in 0\.1 seconds"):
        ask(tmp_path, max_seconds=0.1)


def test_an_export_that_does_not_load_is_an_integrity_error(tmp_path):
    with pytest.raises(IntegrityError, match=r"exit code 1.*saved_model\.pb"):
        ask(tmp_path)


def test_latencies_are_nearest_ranks():
    assert latency([]) is None
    assert latency([3.0]) == {"p50": 3.0, "p95": 3.0}
    times = [float(number) for number in range(20, 0, -1)]
    assert latency(times) == {"p50": 10.0, "p95": 19.0}
