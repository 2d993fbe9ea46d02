"""Workers that have Textmill from its wheel alone make the same bytes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.artifacts import Documents, TokenRows, Vocabulary
from components.base import Context
from components.ingester import IngesterConfig, ingest
from components.ingester.config import CleanConfig, DatasetConfig, SourceConfig
from components.tokenizer import TokenizerConfig, tokenize
from components.vocabulary_learner import VocabularyConfig, learn_vocabulary
from pipeline.publish import seal
from tests.conftest import sentences

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
    """Ingests, learns a vocabulary and tokenizes; returns the bytes of every file."""
    context = Context(beam=beam)
    documents, rows = Documents(folder / "documents"), TokenRows(folder / "rows")
    vocabulary = Vocabulary(folder / "vocabulary")
    for artifact in (documents, rows, vocabulary):
        artifact.path.mkdir(parents=True)
    dataset = DatasetConfig(
        source=SourceConfig(jsonl=str(source), id="id", label="label"),
        clean=CleanConfig(dedup="near"),
        num_shards=3,
    )
    ingest(documents=documents, config=IngesterConfig(dataset=dataset), context=context)
    seal(documents)
    learn_vocabulary(
        documents=documents,
        vocabulary=vocabulary,
        config=VocabularyConfig(size=80, learn_from="lines"),
        context=context,
    )
    seal(vocabulary)
    tokenize(
        documents=documents,
        vocabulary=vocabulary,
        rows=rows,
        config=TokenizerConfig(sequence_length=16, packing="concat"),
        context=context,
    )
    seal(rows)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for artifact in (documents, rows)
        for path in artifact.files()
    }


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
    where = "import components; print(components.__file__)"
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
