"""One update under any strategy; stock Keras has another for each."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.models.training.runs import ROOT
from textmill.models.errors import MachineError
from textmill.models.training.checkpoint import Checkpoints

TOLERANCE = 1e-6


def start(folder, strategy, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.models.training.replicas", folder, strategy],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / ".ci/typing"),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def start_workers(folder, how):
    addresses = [f"localhost:{port}" for port in free_ports(2)]
    for number in range(2):
        (folder / f"at-{number}").mkdir(exist_ok=True)
    tasks = [{"type": "worker", "index": number} for number in range(2)]
    return [
        start(
            folder,
            how,
            TF_CONFIG=json.dumps({"cluster": {"worker": addresses}, "task": task}),
        )
        for task in tasks
    ]


def wait(*processes):
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()[-2000:]


def free_ports(number):
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replicas")
    wait(start(folder, "local"), *start_workers(folder, "multi_worker"))
    return folder


def read(path):
    found = np.load(path)
    return [found[name] for name in found.files]


@pytest.mark.parametrize(
    "name",
    ["parts", "mirrored", "mirrored-parts", "at-0/worker-0", "at-1/worker-1"],
)
def test_replicas_workers_and_parts_give_the_update_of_one(trained, name):
    one, other = read(trained / "one.npz"), read(trained / f"{name}.npz")
    assert len(one) > 10
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE)


def test_a_contrastive_loss_has_the_same_update_on_two_replicas_in_parts(trained):
    one, other = (
        read(trained / f"embed-{name}.npz") for name in ("one", "mirrored-parts")
    )
    assert len(one) > 10
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("name", "devices"), [("one", 1), ("mirrored", 1), ("at-1/worker-1", 2)]
)
def test_virtual_devices_of_a_machine_compute_no_more_than_it(trained, name, devices):
    assert int((trained / f"{name}.devices").read_text()) == devices


def test_stock_keras_clips_before_it_adds_replicas_up(trained):
    stock = json.loads((trained / "stock-local.json").read_text())
    difference = np.abs(np.subtract(stock["one"], stock["mirrored"])).max()
    assert difference > 1000 * TOLERANCE


def test_stock_keras_cannot_accumulate_over_replicas(trained):
    stock = json.loads((trained / "stock-local.json").read_text())
    assert isinstance(stock["parts"], str), stock["parts"]


def test_stock_keras_cannot_fit_over_workers(trained):
    for number in range(2):
        stock = json.loads((trained / f"stock-worker-{number}.json").read_text())
        assert isinstance(stock["workers"], str), stock["workers"]


@pytest.mark.slow
def test_a_lost_worker_ends_all_and_a_restart_goes_on(tmp_path):
    first, second = start_workers(tmp_path, "saving")
    while int(second.stdout.readline()) < 40:
        pass
    second.kill()
    out, errors = first.communicate(timeout=120)
    assert first.returncode == MachineError.exit_code, errors.decode()[-2000:]
    assert b"lost a worker of the run" in errors
    kept = Checkpoints(tmp_path / "c", key="x").restore().step
    assert 36 <= kept <= int(out.splitlines()[-1])
    again = start_workers(tmp_path, "saving")
    steps = [int(worker.stdout.readline()) for worker in again]
    for worker in again:
        worker.kill()
        worker.communicate()
    assert kept < steps[0] == steps[1]
