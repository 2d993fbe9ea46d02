"""A reader and a filter are a file and a row each, from YAML to documents."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.plugins import install, textmill
from textmill.components.artifacts import Documents
from textmill.components.ingester.filters import QualityConfig
from textmill.components.ingester.readers import READERS
from textmill.components.ingester.sources.config import SourceConfig
from textmill.pipeline.cache.code_digest import CodeReader

TOYS = Path(__file__).parent
CONFIG = """
name: toys
datasets:
  fortunes:
    source: {files: "*.fortune.gz", format: fortune}
    clean: {quality: {installed: {quiet: {max_marks: 1}}}}
    split: {train: 1, eval: 0}
vocabulary: {kind: wordpiece, size: 100, learn_from: fortunes}
model: {family: bert, layers: 1, width: 8, heads: 1, sequence_length: 8}
stages: {}
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    site = tmp_path / "site"
    row = ("textmill.readers", "fortune", "toy_reader:ROW")
    install(site, *row, TOYS / "toy_reader.py")
    row = ("textmill.filters", "quiet", "toy_filter:Quiet")
    install(site, *row, TOYS / "toy_filter.py")
    monkeypatch.syspath_prepend(str(site))
    yield site
    for name in ("toy_reader", "toy_filter"):
        sys.modules.pop(name, None)


def run(config, root, site):
    """Ingests in processes of their own; returns the node's summary."""
    command = ("run", str(config), "--root", str(root), "--only", "ingest.fortunes")
    done = textmill(site, *command, cwd=root.parent)
    assert done.returncode == 0, done.stderr
    [*_, summary] = sorted(root.glob("runs/*/summary.json"), key=os.path.getmtime)
    return json.loads(summary.read_bytes())["nodes"]["ingest.fortunes"]


def test_a_toy_reader_and_a_toy_filter_go_from_yaml_to_documents(tmp_path, site):
    import gzip

    text = b"Less is more!\n%\nNow! Now!\n%\nHaste makes waste.\n"
    (tmp_path / "wise.fortune.gz").write_bytes(gzip.compress(text))
    config = tmp_path / "toys.yaml"
    config.write_text(CONFIG)
    root = tmp_path / "root"
    node = run(config, root, site)
    documents = Documents(root / node["outputs"]["documents"])
    texts = {document["text"] for document in documents.read("train")}
    assert texts == {"Less is more!", "Haste makes waste."}
    ledger = json.loads(documents.file(Documents.LEDGER).read_bytes())
    assert ledger["dropped"] == {"quiet:loud": 1}

    assert run(config, root, site)["state"] == "cached"
    for name in ("toy_reader.py", "toy_filter.py"):
        with (site / name).open("a") as file:
            file.write("\nEDITED = True\n")
        assert run(config, root, site)["state"] == "ran"


def test_the_cache_key_covers_every_reader_of_the_table():
    modules = CodeReader({}).read("textmill.components.ingester").modules
    tables = [row for _, row in READERS.items()]
    paths = {path for row in tables for path in (row.reader, row.files) if path}
    assert {path.partition(":")[0] for path in paths} <= set(modules)


def test_a_folder_reads_the_endings_of_a_plugged_in_format(tmp_path, site):
    from textmill.components.ingester.sources.files import find_files

    (tmp_path / "data").mkdir()
    (tmp_path / "data/train.fortune").write_text("a")
    [file] = find_files(SourceConfig(folder=str(tmp_path / "data")))
    assert (file.format, file.split) == ("fortune", "train")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"files": "a"}, "files and format together"),
        ({"jsonl": "a", "format": "csv"}, "files and format together"),
        ({"files": "a", "format": "tfds"}, "a format of files as format, got tfds"),
    ],
)
def test_format_belongs_to_files(fields, words):
    with pytest.raises(ValueError, match=words):
        SourceConfig(**fields)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"quit": {}}, "a filter .* got 'quit'; did you mean 'quiet'?"),
        ({"c4": {}}, "c4 as a key of its own"),
        (
            {"quiet": {"max_mark": 1}},
            "max_marks in quiet, got 'max_mark'; did you mean",
        ),
        ({"quiet": {"max_marks": "x"}}, "quiet.max_marks: Input should be a valid int"),
    ],
)
def test_options_of_plugged_in_filters_are_checked(site, options, words):
    with pytest.raises(ValueError, match=words):
        QualityConfig(installed=options)
