"""Workers that have Textmill from its wheel alone make the same bytes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.components.beam_steps import run_steps
from tests.conftest import sentences
from textmill.components.ingester.cleaning.config import CleanConfig

REPOSITORY = Path(__file__).parents[2]
WORKER = "apache_beam.runners.worker.sdk_worker_main"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The folder where nothing but the project's wheel is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    built = subprocess.run(
        [*pip, "wheel", "--no-deps", "-w", str(folder), str(REPOSITORY)],
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    [file] = folder.glob("textmill-*.whl")
    site = folder / "site"
    subprocess.run(
        [*pip, "install", "--no-deps", "--target", str(site), str(file)], check=True
    )
    return site


def make(folder, source, beam):
    """Runs the steps that run on Beam; returns the bytes of every file."""
    clean = CleanConfig(dedup="near")
    return run_steps(folder, beam, jsonl=str(source), clean=clean, num_shards=3)


@pytest.mark.slow
def test_portable_workers_from_the_wheel_make_the_same_bytes(
    wheel, tmp_path, monkeypatch
):
    source = tmp_path / "lines.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in sentences() * 3))
    expected = make(tmp_path / "here", source, {})
    assert len(expected) > 12
    monkeypatch.setenv("PYTHONPATH", str(wheel))
    monkeypatch.chdir(tmp_path)
    where = "import textmill; print(textmill.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", where], capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()).is_relative_to(wheel)
    found = make(
        tmp_path / "there",
        source,
        {
            "runner": "PortableRunner",
            "job_endpoint": "embed",
            "environment_type": "beam:env:harness_subprocess_python:v1",
            "environment_config": f"{sys.executable} -m {WORKER}",
        },
    )
    assert found == expected
    assert os.listdir(tmp_path / "there") == os.listdir(tmp_path / "here")
