"""Machines that train together, started as a compiled worker-pool spec says."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from tests.conftest import sentences
from textmill.pipeline.config.load import parse_config
from textmill.pipeline.create_pipeline import create_pipeline
from textmill.pipeline.platforms.compile import compile_pipeline
from textmill.pipeline.runners.container import is_chief

REPOSITORY = Path(__file__).parents[3]
CONFIG = """\
name: pools
datasets:
  lines: {source: {jsonl: lines.jsonl, id: id}, split: {train: 0.8, eval: 0.2}}
vocabulary: {kind: character, learn_from: lines}
model: {family: gpt, layers: 1, width: 16, heads: 2, sequence_length: 24, dropout: 0.0}
stages:
  lines:
    task: causal_lm
    dataset: lines
    train: {steps: 20, global_batch: 8, optimizer: sgd, learning_rate: 0.1}
run: {nodes: {train: {machines: 2, machine_type: n1-standard-8}}}
"""


def pools(project):
    """Returns the worker pools of the training node's compiled job."""
    loaded = parse_config(CONFIG, project / "config.yaml")
    pipeline = create_pipeline(loaded, project / "anywhere")
    text = compile_pipeline(loaded, pipeline, to="vertex", root="gs://bucket/root")
    executors = yaml.safe_load(text)["deploymentSpec"]["executors"]
    job = executors["exec-train-lines"]["customJob"]["customJob"]["jobSpec"]
    return job["workerPoolSpecs"]


def start(project, root, pool, variables):
    """Starts one replica of a pool, in place of its container."""
    container = pool["containerSpec"]
    assert container["command"][0] == "python3"
    arguments = container["args"][: container["args"].index("--executor_input")]
    places = ["--root", str(root), "--project", str(project)]
    return subprocess.Popen(
        [sys.executable, *container["command"][1:], *arguments, *places],
        env=os.environ
        | {"TEXTMILL_CONFIG": CONFIG, "PYTHONPATH": str(REPOSITORY / ".ci/typing")}
        | variables,
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def launch(project, root, specs):
    """Starts every replica with the TF_CONFIG that Vertex sets; returns the weights."""
    replicas = [pool for pool in specs for _ in range(int(pool["replicaCount"]))]
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in replicas]
    hosts = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for one in sockets:
        one.close()
    cluster = {"chief": hosts[:1]} | ({"worker": hosts[1:]} if hosts[1:] else {})
    processes = []
    for number, pool in enumerate(replicas):
        kind, index = ("worker", number - 1) if number else ("chief", 0)
        task = {"type": kind, "index": index, "trial": ""}
        tf_config = {"cluster": cluster, "task": task, "environment": "cloud"}
        variables = {"TF_CONFIG": json.dumps(tf_config)}
        processes.append(start(project, root, pool, variables))
    for process in processes:
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
    [weights] = root.glob("artifacts/train.lines/*/model/weights.safetensors")
    return load_file(weights)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A root that holds all that training reads."""
    folder = tmp_path_factory.mktemp("project")
    rows = "".join(json.dumps(row) + "\n" for row in sentences())
    (folder / "lines.jsonl").write_text(rows)
    (folder / "config.yaml").write_text(CONFIG)
    command = "textmill.pipeline.cli run config.yaml --root root --until tokenize.lines"
    subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / ".ci/typing")},
        check=True,
        capture_output=True,
    )
    return folder


@pytest.mark.slow
def test_two_machines_make_the_weights_of_one(project, tmp_path):
    def fresh(name):
        shutil.copytree(project / "root", tmp_path / name)
        return tmp_path / name

    specs = pools(project)
    assert len(specs) == 2
    one = launch(project, fresh("one"), specs[:1])
    two = launch(project, fresh("two"), specs)
    again = launch(project, fresh("again"), specs)
    assert set(one) == set(two) == set(again)
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=0, atol=1e-6)
        np.testing.assert_array_equal(two[name], again[name])
    assert len(list((tmp_path / "two" / "runs").glob("*/nodes/*.json"))) == 1


@pytest.mark.parametrize(
    ("cluster", "task", "expected"),
    [
        ({"chief": ["a"], "worker": ["b"]}, ("chief", 0), True),
        ({"chief": ["a"], "worker": ["b"]}, ("worker", 0), False),
        ({"worker": ["a", "b"]}, ("worker", 0), True),
        ({"worker": ["a", "b"]}, ("worker", 1), False),
    ],
)
def test_one_machine_writes(monkeypatch, cluster, task, expected):
    kind, index = task
    tf_config = {"cluster": cluster, "task": {"type": kind, "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(tf_config))
    assert is_chief() is expected


def test_a_machine_alone_writes(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert is_chief()
