"""Workers that do not see the step's disk make the same bytes, through a bucket."""

import json

import pytest

from tests.components.beam_steps import run_steps
from tests.conftest import sentences
from textmill.components.artifacts import Documents
from textmill.components.base import Context
from textmill.components.ingester import IngesterConfig, ingest
from textmill.components.ingester.cleaning.config import CleanConfig
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.scratch import (
    ScratchDir,
    cached_path,
    open_scratch_dir,
    uploading,
)
from textmill.models.errors import ConfigError, DataError

THROUGH_A_BUCKET = {
    "temp_location": "gs://bucket/temp",
    "direct_running_mode": "multi_processing",
    "direct_num_workers": 1,
}


def lines():
    """Returns sentences, some of them again with another end, or as two paragraphs."""
    rows = sentences()
    rows += [{**r, "id": r["id"] + "n", "text": r["text"] + " So!"} for r in rows[:9]]
    rows += [{**r, "id": r["id"] + "p", "text": r["text"] * 3} for r in rows[20:29]]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def make(folder, beam):
    """Runs the steps that run on Beam; returns the bytes of every file."""
    return run_steps(
        folder,
        beam,
        jsonl="gs://bucket/in/*.jsonl",
        clean=CleanConfig(dedup="near", repeated_passages="sentences"),
        num_shards=2,
        examples=True,
    )


def test_files_go_through_a_bucket_and_come_out_the_same(service, tmp_path):
    text = lines()
    half = text.index(b"\n", len(text) // 2) + 1
    service.objects["in/a.jsonl"] = text[:half]
    service.objects["in/b.jsonl"] = text[half:]
    sources = set(service.objects)
    expected = make(tmp_path / "here", {})
    assert not service.called("POST", "/upload")
    assert len(expected) > 15
    found = make(tmp_path / "there", THROUGH_A_BUCKET)
    assert found == expected
    assert service.called("POST", "/upload") > 15
    assert set(service.objects) == sources
    assert sorted(p.name for p in (tmp_path / "there").iterdir()) == sorted(
        p.name for p in (tmp_path / "here").iterdir()
    )


def test_a_fault_of_a_worker_comes_back_through_the_bucket(service, tmp_path):
    service.objects["in/a.jsonl"] = b'{"text": 3}\n' * 30
    with pytest.raises(DataError, match=r"gs://bucket/in/a\.jsonl"):
        make(tmp_path / "there", THROUGH_A_BUCKET)
    assert set(service.objects) == {"in/a.jsonl"}


def test_files_that_workers_cannot_read_are_named_before_anything_runs(
    service, tmp_path
):
    source = tmp_path / "a.jsonl"
    source.write_bytes(lines())
    dataset = DatasetConfig(source=SourceConfig(jsonl=str(source)))
    documents = Documents(tmp_path / "documents")
    with pytest.raises(ConfigError, match=f"at gs:// or s3://, got {source}"):
        ingest(
            documents=documents,
            config=IngesterConfig(dataset=dataset),
            context=Context(beam=THROUGH_A_BUCKET),
        )


def test_on_one_disk_a_place_is_a_path(tmp_path):
    context = Context(work_dir=tmp_path / "work")
    with open_scratch_dir(context, parent=tmp_path) as scratch:
        assert scratch == ScratchDir(str(tmp_path / "work" / "scratch"))
        with uploading(scratch.path("a-1")) as path:
            path.write_text("x")
        assert scratch.names("a-") == ["a-1"]
        assert cached_path(scratch.path("a-1")).read_text() == "x"
        assert scratch.upload(tmp_path / "given") == str(tmp_path / "given")
        assert scratch.target(tmp_path, "made") == str(tmp_path / "made")
    assert not (tmp_path / "work" / "scratch").exists()
