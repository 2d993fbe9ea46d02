"""Faults injected into real files: what ingestion does when things go wrong."""

import bz2
import gzip
import json
import lzma
import os
import random
import resource
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import zstandard

from textmill.components.artifacts import Documents
from textmill.components.base import Context
from textmill.components.ingester import IngesterConfig, ingest
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.readers.records import LimitsConfig
from textmill.components.ingester.sampling.config import SplitConfig
from textmill.components.ingester.sources.config import SourceConfig
from textmill.models.errors import DataError, IntegrityError, MachineError

ROWS = b"".join(
    json.dumps({"text": f"{random.Random(n).random()} text {n}"}).encode() + b"\n"
    for n in range(2000)
)
ZIPPED = gzip.compress(ROWS)


def ingest_file(path, folder, *, limits=None, work_dir=None):
    documents = Documents(folder)
    dataset = DatasetConfig(
        source=SourceConfig(jsonl=str(path)),
        split=SplitConfig(train=1, eval=0),
        limits=limits or LimitsConfig(),
    )
    context = Context(work_dir=work_dir)
    config = IngesterConfig(dataset=dataset)
    ingest(documents=documents, config=config, context=context)
    return documents


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (ZIPPED[: len(ZIPPED) // 2], "ends before its trailer"),
        (ZIPPED[:-8], "ends before its trailer"),
        (ZIPPED[:-1], "ends before its trailer"),
        (b"", "ends before its trailer"),
        (ZIPPED + b"junk", "not valid gzip after its last member"),
        (ZIPPED[:-8] + bytes(8), "not valid gzip .*incorrect data check"),
        (ROWS, "not valid gzip .*incorrect header check"),
    ],
    ids=["half", "no trailer", "one byte", "empty", "junk", "crc", "plain"],
)
def test_a_damaged_gzip_names_the_file(tmp_path, content, words):
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=rf"x\.jsonl\.gz: .*{words}"):
        ingest_file(path, tmp_path / "documents")
    assert list((tmp_path / "documents").iterdir()) == []


COMPRESSED = {
    ".gz": ZIPPED,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress(ROWS),
    ".bz2": bz2.compress(ROWS),
    ".xz": lzma.compress(ROWS),
}


@pytest.mark.parametrize("ending", COMPRESSED)
def test_every_compression_is_read_and_its_damage_named(tmp_path, ending):
    path, content = tmp_path / f"x.jsonl{ending}", COMPRESSED[ending]
    path.write_bytes(content + content)
    limits = LimitsConfig(max_expanded_bytes=2 * len(ROWS))
    documents = ingest_file(path, tmp_path / "whole", limits=limits)
    assert documents.facts["splits"] == {"train": 4000}
    for number, damaged in enumerate(
        [content[:-1], content[: len(content) // 2], content + b"junk is no member"]
    ):
        path.write_bytes(damaged)
        with pytest.raises(IntegrityError, match=rf"/x\.jsonl{ending}: "):
            ingest_file(path, tmp_path / f"{number}")


def test_concatenated_members_are_legal(tmp_path):
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(ROWS[:1001]) + gzip.compress(ROWS[1001:]))
    assert ingest_file(path, tmp_path / "d").facts["splits"] == {"train": 2000}


def peak_memory(command):
    """Returns what a command prints in a fresh process, and its peak in kilobytes."""
    script = f"{command}\nprint(open('/proc/self/status').read())"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found, *status = done.stdout.splitlines()
    [peak] = (line.split()[1] for line in status if line.startswith("VmHWM:"))
    return found, int(peak)


OPEN = {
    ".gz": gzip.open,
    ".zst": zstandard.open,
    ".bz2": bz2.open,
    ".xz": partial(lzma.open, preset=0),
}


def read_alone(path, source):
    """Returns what becomes of a file's records, and the peak of memory it takes."""
    return peak_memory(READ.format(path=str(path), source=source))


READ = """
from textmill.components.ingester.readers.records import LimitsConfig
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.readers.reader import read_ranges
from textmill.components.ingester.readers.records import DeadLetter
from textmill.components.ingester.readers.reader import FileRange
from textmill.models.errors import DataError
found = []
source = SourceConfig({source})
try:
    for _, record in read_ranges(
        [FileRange({path!r}, "x", source.reader)],
        source=source,
        limits=LimitsConfig(),
        block_bytes=1 << 21,
    ):
        found.append(getattr(record, "reason", "good"))
except DataError as error:
    found.append("DataError")
print(*found)
"""


@pytest.mark.parametrize("kind", ["jsonl", "csv", "tsv", "txt"])
def test_a_huge_line_is_skipped_in_flat_memory(tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    good = b'{"text": "a"}\n' if kind == "jsonl" else b"a\n"
    with path.open("wb") as file:
        file.write(good)
        file.seek(300 << 20)  # a hole, which reads as zeros
        file.write(b"\n" + good)
    columns = ', columns=("text",)' if kind in ("csv", "tsv") else ""
    found, peak = read_alone(path, f"{kind}='x'{columns}")
    assert found == "good line_too_long good"
    assert peak < 64_000


def test_a_huge_paragraph_is_skipped_in_flat_memory(tmp_path):
    path = tmp_path / "x.txt"
    with path.open("wb") as file:
        for _ in range(100):
            file.write(b"a line of a hundred bytes or so\n" * 33_000)
        file.write(b"\nend\n")
    found, peak = read_alone(path, "txt='x', document='paragraph'")
    assert found == "record_too_long good"
    assert peak < 64_000


@pytest.mark.parametrize("ending", OPEN)
def test_a_decompression_bomb_stops_in_flat_memory(tmp_path, ending):
    path = tmp_path / f"x.jsonl{ending}"
    with OPEN[ending](path, "wb") as file:
        for _ in range(300):
            file.write(bytes(1 << 20))
    found, peak = read_alone(path, "jsonl='x'")
    assert found == "DataError"
    assert peak < 80_000


@pytest.mark.parametrize("ending", OPEN)
def test_a_huge_line_of_a_compressed_file_is_skipped_in_flat_memory(tmp_path, ending):
    path = tmp_path / f"x.jsonl{ending}"
    noise = random.Random(0).randbytes(1 << 19).hex().encode()
    with OPEN[ending](path, "wb") as file:
        file.write(b'{"text": "a"}\n')
        for _ in range(40 if ending in (".gz", ".zst") else 12):
            file.write(noise)
        file.write(b'\n{"text": "b"}\n')
    found, peak = read_alone(path, "jsonl='x'")
    assert found == "good line_too_long good"
    assert peak < 80_000


def test_a_file_that_outgrows_its_limit_stops(tmp_path):
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(ZIPPED)
    limits = LimitsConfig(max_expanded_bytes=len(ROWS) - 1)
    with pytest.raises(DataError, match=f"expands to more than {len(ROWS) - 1} bytes"):
        ingest_file(path, tmp_path / "documents", limits=limits)


def test_too_many_bad_records_name_the_most_frequent_reason(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(ROWS + b"[]\n" * 5 + b'{"text": 1}\n{"text": 2}\n' * 3)
    with pytest.raises(DataError) as fault:
        ingest_file(path, tmp_path / "documents")
    assert str(fault.value) == (
        "11 of 2011 records are bad, more than limits allows (max_bad_records 10, "
        "max_bad_fraction 0.001); most often text_type (6 times), first at "
        f"{path}, line 2006 (byte {len(ROWS) + 15}): column 'text': "
        "expected a string, got int; "
        "`textmill data dead FILE data` shows the bad records"
    )
    left = {file.name for file in (tmp_path / "documents").iterdir()}
    assert left == {"ledger.json", "dead_letters.jsonl", "sample.jsonl"}
    letters = (tmp_path / "documents/dead_letters.jsonl").read_bytes()
    assert letters.count(b"\n") == 11
    sample = (tmp_path / "documents/sample.jsonl").read_text().splitlines()
    assert len(sample) == 100
    assert json.loads(sample[0])["id"] == "x.jsonl:0"


@pytest.mark.parametrize(
    ("limits", "num_bad", "num_read", "allows"),
    [
        ({}, 6, 625, True),
        ({}, 11, 625, False),
        ({}, 11, 11_000, True),
        ({}, 2, 12, False),
        ({"max_bad_fraction": 0}, 1, 625, False),
        ({"max_bad_fraction": 0}, 0, 0, True),
        ({"max_bad_records": 0}, 1, 625, False),
        ({"max_bad_fraction": 1}, 1, 1, True),
    ],
)
def test_a_few_bad_records_are_allowed(limits, num_bad, num_read, allows):
    assert LimitsConfig(**limits).allow(num_bad, num_read) == allows


def test_a_few_bad_records_are_dead_letters(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"[]\n" + ROWS + b"\xff\n")
    documents = ingest_file(path, tmp_path / "documents")
    letters = (documents.path / Documents.DEAD_LETTERS).read_text().splitlines()
    found = [(row["offset"], row["reason"]) for row in map(json.loads, letters)]
    assert found == [(0, "not_an_object"), (len(ROWS) + 3, "invalid_utf8")]


def test_an_empty_file_among_others_is_fine(tmp_path):
    (tmp_path / "a.jsonl").touch()
    (tmp_path / "b.jsonl").write_bytes(ROWS)
    documents = ingest_file(tmp_path / "*.jsonl", tmp_path / "documents")
    assert documents.facts["splits"] == {"train": 2000}


def test_only_empty_files_are_no_data(tmp_path):
    (tmp_path / "a.jsonl").touch()
    with pytest.raises(DataError, match="no document is left of the 0 records"):
        ingest_file(tmp_path / "a.jsonl", tmp_path / "documents")


def test_a_file_size_limit_is_a_fault_of_the_machine(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(ROWS)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(MachineError, match="File too large"):
            ingest_file(path, tmp_path / "documents")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


KILLED = """
import sys
from textmill.components.artifacts import Documents
from textmill.components.base import Context
from textmill.components.ingester import IngesterConfig, ingest
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.sampling.config import SplitConfig
from textmill.components.ingester.sources.config import SourceConfig
from pathlib import Path
source, out, work = map(Path, sys.argv[1:])
print("started", flush=True)
ingest(
    documents=Documents(out),
    config=IngesterConfig(dataset=DatasetConfig(
        source=SourceConfig(jsonl=str(source)), split=SplitConfig(train=1, eval=0))),
    context=Context(work_dir=work),
)
"""


def test_a_run_after_a_kill_gives_the_bytes_of_a_clean_one(tmp_path):
    path, work = tmp_path / "x.jsonl", tmp_path / "work"
    path.write_bytes(ROWS * 5)
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, path, tmp_path / "killed", work],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdout.readline() == b"started\n"
    while child.poll() is None and not list(work.glob("scratch/lines-*")):
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    again = ingest_file(path, tmp_path / "again", work_dir=work)
    clean = ingest_file(path, tmp_path / "clean")
    assert list(work.iterdir()) == []
    for file in clean.path.iterdir():
        assert file.read_bytes() == (again.path / file.name).read_bytes()
