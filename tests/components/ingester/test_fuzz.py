"""Fuzzed records: each is kept, dropped or a dead letter."""

import json
import random

import pytest

from textmill.components.artifacts import Documents
from textmill.components.base import Context
from textmill.components.ingester import IngesterConfig, ingest
from textmill.components.ingester.cleaning.config import CleanConfig
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.readers.records import LimitsConfig
from textmill.components.ingester.sampling.config import SplitConfig
from textmill.components.ingester.sources.config import SourceConfig

NUM_RECORDS = (6_000, pytest.param(34_000, marks=pytest.mark.slow))
"""Of each format; the slow tests read a hundred thousand in all."""
SNIPPETS = (
    b"\0",
    b"\r",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    "\u2028é".encode(),
    b"\x1b[2J",
    b'"',
    b'""',
    b"\t",
    b",",
    b"\\ud800",
    b"\\",
    b"{",
    b"}",
    b"[[[[",
    b"NaN",
    b"-Infinity",
    b"1e999999",
    b"9" * 300,
    b"null",
)


def fuzz(letters, line):
    """Returns a line with up to three things done to it, and no end of its own."""
    line = bytearray(line)
    for _ in range(letters.choice((0, 0, 1, 1, 2, 3))):
        at = letters.randint(0, len(line))
        match letters.randrange(5):
            case 0:
                del line[at:]
            case 1:
                line[at : at + letters.randint(0, 9)] = b""
            case 2:
                line[at : at + 1] = bytes([letters.randrange(256)])
            case 3:
                line[at:at] = letters.choice(SNIPPETS)
            case 4:
                line[at:at] = line[:at]
    return bytes(line).replace(b"\n", b" ")


def hostile_json(letters):
    match letters.randrange(60):
        case 0:
            return b"[" * 2000 + b"]" * 2000
        case 1:
            return b'{"text": ' + b"9" * 5000 + b"}"
        case 2:
            return json.dumps({"txet": "a"}).encode()
        case 3:
            return b'{"text": "a", "text": 1, "label": {"a": []}}'
    row = {
        "text": letters.choice(
            ["one two", "", "é" * 9, 5, None, ["a"], "a\0b", "x " * 99]
        ),
        "label": letters.choice(["a", "b", 1, True, None, 0.5, ""]),
        "id": letters.choice(
            [letters.randrange(10**6), str(letters.random()), "", None]
        ),
        "n": letters.choice([0, -1.5, "n", [], {}, True]),
    }
    return json.dumps(row, ensure_ascii=letters.random() < 0.5).encode()


def hostile_table(separator):
    def line(letters):
        fields = [
            letters.choice([f"one {letters.random()}", "", "é", "x " * 99]),
            letters.choice(["a", "b", ""]),
            str(letters.randrange(10**6)),
            letters.choice(["0", "n"]),
        ]
        return separator.join(fields[: letters.choice((4, 4, 4, 3))]).encode()

    return line


@pytest.mark.parametrize("num_records", NUM_RECORDS)
@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("jsonl", hostile_json),
        ("csv", hostile_table(",")),
        ("tsv", hostile_table("\t")),
    ],
)
def test_every_fuzzed_record_is_kept_dropped_or_a_dead_letter(
    tmp_path, kind, line, num_records
):
    letters = random.Random(f"fuzz {kind}")
    path = tmp_path / f"x.{kind}"
    with path.open("wb") as file:
        for _ in range(num_records):
            file.write(fuzz(letters, line(letters)) + letters.choice((b"\n", b"\r\n")))
    tables = {} if kind == "jsonl" else {"columns": ("text", "label", "id", "n")}
    documents = Documents(tmp_path / "documents")
    dataset = DatasetConfig(
        source=SourceConfig(**{kind: str(path)}, label="label", id="id", **tables),
        clean=CleanConfig(min_chars=3, max_chars=150, dedup="exact"),
        split=SplitConfig(train=1, eval=0),
        limits=LimitsConfig(max_bad_fraction=1, max_line_bytes=4000),
    )
    ingest(
        documents=documents, config=IngesterConfig(dataset=dataset), context=Context()
    )
    ledger = json.loads((documents.path / Documents.LEDGER).read_bytes())
    parts = [sum(ledger[part].values()) for part in ("kept", "dropped", "bad")]
    assert ledger["read"] == sum(parts)
    assert min(parts) > 0
    assert sum(documents.facts["splits"].values()) == parts[0]
    letters = (documents.path / Documents.DEAD_LETTERS).read_bytes().splitlines()
    assert sum(json.loads(one).get("records", 1) for one in letters) == parts[2]
    if kind != "csv":
        assert num_records * 0.9 < ledger["read"] <= num_records
    assert len(ledger["bad"]) >= {"jsonl": 8, "csv": 5, "tsv": 4}[kind]
