"""One update under any strategy; stock Keras beside it, which has another for each."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.models.training.runs import ROOT

TOLERANCE = 1e-6


def start(folder, strategy, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.models.training.replicas", folder, strategy],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **environment,
        },
        stderr=subprocess.PIPE,
    )


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
    addresses = [f"localhost:{port}" for port in free_ports(2)]
    for number in range(2):
        (folder / f"at-{number}").mkdir()
    workers = [
        start(
            folder,
            "multi_worker",
            TF_CONFIG=json.dumps(
                {
                    "cluster": {"worker": addresses},
                    "task": {"type": "worker", "index": number},
                }
            ),
        )
        for number in range(2)
    ]
    wait(start(folder, "local"), *workers)
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
