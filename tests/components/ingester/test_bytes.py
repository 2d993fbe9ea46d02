"""The same documents give the same bytes, however they are read."""

import gzip
import json
import sys
from pathlib import Path

import pytest

from textmill.components.artifacts import Documents
from textmill.components.base import Context
from textmill.components.ingester import engine as flow
from textmill.components.ingester.cleaning.config import CleanConfig
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.readers.records import LimitsConfig
from textmill.components.ingester.sampling.config import SplitConfig
from textmill.components.ingester.sources.config import SourceConfig

WORKER = "apache_beam.runners.worker.sdk_worker_main"
ROWS = [
    json.dumps(
        {
            "id": f"doc {n % 950}",
            "text": f"Text {n % 700} of thé corpus. " * (n % 7 + 1),
            "of": f"label {n % 3}",
            "n": n % 950,
        }
    )
    for n in range(1000)
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The rows in one file, in three, in reverse and in gzip."""
    folder = tmp_path_factory.mktemp("corpus")
    # Repeated ids repeat the row, so that which of them stays makes no difference.
    unique = {json.loads(row)["id"]: row for row in ROWS}
    rows = [unique[json.loads(row)["id"]] + "\n" for row in ROWS]
    (folder / "one.jsonl").write_text("".join(rows))
    (folder / "back.jsonl").write_text("".join(rows[::-1]))
    for part in range(3):
        (folder / f"part{part}.jsonl").write_text("".join(rows[part::3]))
    (folder / "zipped.jsonl.gz").write_bytes(gzip.compress("".join(rows).encode()))
    return folder


@pytest.fixture(scope="module")
def write(corpus, tmp_path_factory):
    """Ingests files of the corpus and returns the bytes of every file written."""

    def apply(*patterns, block_bytes=2 << 20, **beam):
        documents = Documents(tmp_path_factory.mktemp("documents"))
        flow.run(
            documents,
            dataset=DatasetConfig(
                source=SourceConfig(
                    jsonl=tuple(str(corpus / pattern) for pattern in patterns),
                    id="id",
                    label="of",
                    limit_per_label=200,
                ),
                clean=CleanConfig(dedup="near", repeated_passages="paragraphs"),
                split=SplitConfig(train=0.8, eval=0.1, test=0.1),
                limits=LimitsConfig(),
                num_shards=3,
            ),
            seed=5,
            context=Context(beam=beam),
            block_bytes=block_bytes,
        )
        return {file.name: file.read_bytes() for file in documents.path.iterdir()}

    return apply


@pytest.fixture(scope="module")
def expected(write):
    found = write("one.jsonl", direct_running_mode="in_memory", direct_num_workers=1)
    assert len(found) == 3 * 3 + 2
    return found


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_neither_mode_nor_workers_change_a_byte(write, expected, workers):
    assert write("one.jsonl", block_bytes=7000, direct_num_workers=workers) == expected


def test_another_runner_gives_the_same_bytes(write, expected):
    found = write("one.jsonl", block_bytes=9000, runner="BundleBasedDirectRunner")
    assert found == expected


def test_a_portable_runner_with_workers_in_processes_gives_the_same_bytes(
    write, expected, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3] / ".ci/typing"))
    found = write(
        "one.jsonl",
        block_bytes=9000,
        runner="PortableRunner",
        job_endpoint="embed",
        environment_type="beam:env:harness_subprocess_python:v1",
        environment_config=f"{sys.executable} -m {WORKER}",
    )
    assert found == expected


@pytest.mark.parametrize("block_bytes", [500, 10_000])
def test_the_size_of_a_block_changes_no_byte(write, expected, block_bytes):
    assert write("one.jsonl", block_bytes=block_bytes) == expected


@pytest.mark.parametrize(
    "patterns",
    [("back.jsonl",), ("part*.jsonl",), ("part2.jsonl", "part[01].jsonl"), ("*.gz",)],
)
def test_neither_order_nor_number_nor_packing_of_files_changes_a_byte(
    write, expected, patterns
):
    assert write(*patterns) == expected


def test_processes_give_the_same_bytes_as_threads(write, expected):
    found = write(
        "one.jsonl",
        block_bytes=9000,
        direct_running_mode="multi_processing",
        direct_num_workers=2,
    )
    assert found == expected
