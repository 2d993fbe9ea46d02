"""Splits: shares by default, and documents that stay in theirs when data is added."""

from __future__ import annotations

import json

import numpy as np
import pytest

from textmill.components.artifacts import Documents
from textmill.components.base import Context
from textmill.components.ingester import IngesterConfig, ingest
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.documents import INDEX
from textmill.components.ingester.readers.records import LimitsConfig
from textmill.components.ingester.sampling.config import SplitConfig
from textmill.components.ingester.sampling.splitting import (
    ENOUGH_FOR_TEST,
    Splitter,
    fold_test,
)
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.sources.files import find_files
from textmill.models.errors import DataError
from textmill.pipeline.publish import seal


def ingested(folder, pattern, *, id=None, **parts):
    """Returns the documents of files of JSON lines."""
    documents = Documents(folder)
    source = SourceConfig(jsonl=pattern, id=id)
    config = IngesterConfig(dataset=DatasetConfig(source=source, **parts))
    ingest(documents=documents, config=config, context=Context())
    seal(documents)
    return documents


def write(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def notes(*numbers):
    return [{"text": f"note {number}"} for number in numbers]


def split_by(documents, key):
    return {
        row[key]: split for split in documents.splits for row in documents.read(split)
    }


@pytest.mark.parametrize(
    ("given", "shares"),
    [
        ({}, (0.8, 0.1, 0.1)),
        ({"by": "author"}, (0.8, 0.1, 0.1)),
        ({"by": "source"}, (0.9, 0.1, 0.0)),
        ({"by": "position"}, (0.9, 0.1, 0.0)),
        ({"train": 0.9}, (0.9, 0.1, 0.0)),
        ({"train": 0.99, "eval": 0.01}, (0.99, 0.01, 0.0)),
        ({"train": 0.8, "eval": 0.1}, (0.8, 0.1, 0.1)),
        ({"eval": 0.2}, (0.8, 0.2, 0.0)),
        ({"test": 0.3}, (0.7, 0.0, 0.3)),
        ({"train": 1, "eval": 0}, (1.0, 0.0, 0.0)),
    ],
)
def test_a_share_that_is_left_out_is_the_rest(given, shares):
    config = SplitConfig(**given)
    assert config.shares == shares
    assert Splitter(config).num_buckets <= 100


@pytest.mark.parametrize("given", [{"train": 0.5, "eval": 0.6}, {"train": 1.5}])
def test_shares_beyond_one_are_refused(given):
    with pytest.raises(ValueError, match=r"add up to 1, got|of 1 or less, got"):
        SplitConfig(**given)


def test_test_is_left_to_eval_until_there_are_enough_documents(tmp_path):
    write(tmp_path / "x.jsonl", *notes(*range(200)))
    few = ingested(tmp_path / "few", str(tmp_path / "x.jsonl"))
    assert set(few.splits) == {"train", "eval"}
    rows = np.zeros(ENOUGH_FOR_TEST, INDEX)
    rows["split"] = np.arange(ENOUGH_FOR_TEST) % 3
    fold_test(rows)
    assert set(rows["split"].tolist()) == {0, 1, 2}
    rows = rows[1:]
    train = rows["split"] == 0
    fold_test(rows)
    assert set(rows["split"].tolist()) == {0, 1}
    assert ((rows["split"] == 0) == train).all()


def test_a_document_keeps_its_split_and_id_when_folders_are_added(tmp_path):
    split = SplitConfig(train=0.5, eval=0.3, test=0.2)
    pattern = str(tmp_path / "day*" / "data.jsonl")
    write(tmp_path / "day1/data.jsonl", *notes(*range(40)))
    before = ingested(tmp_path / "a", pattern, split=split)
    write(tmp_path / "day0/data.jsonl", *notes(*range(40, 60)))
    after = ingested(tmp_path / "b", pattern, split=split)
    assert len(split_by(after, "id")) == 60
    for key in ("id", "text"):
        old = split_by(before, key)
        assert old.items() <= split_by(after, key).items()
    assert "day1/data.jsonl:0" in split_by(before, "id")


def test_a_text_keeps_its_split_when_lines_are_put_before_it(tmp_path):
    split = SplitConfig(train=0.5, eval=0.5)
    path = tmp_path / "x.jsonl"
    write(path, *notes(*range(30)))
    before = split_by(ingested(tmp_path / "a", str(path), split=split), "text")
    write(path, *notes(99, 98), *notes(*range(30)), *notes(*range(5)))
    documents = ingested(tmp_path / "b", str(path), split=split)
    assert before.items() <= split_by(documents, "text").items()
    assert sum(documents.splits.values()) == 37
    texts = [{row["text"] for row in documents.read(s)} for s in documents.splits]
    assert not set.intersection(*texts)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (("a/*.jsonl",), ["x.jsonl"]),
        (("*/x.jsonl",), ["a/x.jsonl", "b/x.jsonl"]),
        (("**/*.jsonl",), ["a/x.jsonl", "b/c/y.jsonl", "b/x.jsonl"]),
        (("a/x.jsonl", "b/c/y.jsonl"), ["x.jsonl", "y.jsonl"]),
        (("a/x.jsonl", "b/x.jsonl"), ["a/x.jsonl", "b/x.jsonl"]),
        (("a/*.jsonl", "b/c/*.jsonl"), ["a/x.jsonl", "b/c/y.jsonl"]),
    ],
)
def test_names_of_files_do_not_depend_on_other_files(patterns, names, tmp_path):
    for name in ("a/x.jsonl", "b/x.jsonl", "b/c/y.jsonl"):
        write(tmp_path / name, *notes(1))
    paths = tuple(str(tmp_path / pattern) for pattern in patterns)
    assert [file.name for file in find_files(SourceConfig(jsonl=paths))] == names


def users(number, *, same_text=False):
    return [
        {"user": f"u{n % 7}", "text": "same" if same_text else f"text {n}"}
        for n in range(number)
    ]


def test_an_id_that_many_documents_share_is_refused(tmp_path):
    path = str(tmp_path / "x.jsonl")
    split = SplitConfig(train=1)
    write(tmp_path / "x.jsonl", *users(60))
    with pytest.raises(DataError) as error:
        ingested(tmp_path / "a", path, id="user", split=split)
    assert str(error.value).startswith(
        "53 of 60 documents have the id of an earlier one, most of them another text, "
    )
    assert "name another column as source.id" in str(error.value)
    limits = LimitsConfig(max_duplicate_ids=1)
    many = ingested(tmp_path / "b", path, id="user", split=split, limits=limits)
    assert many.ledger["dropped"] == {"duplicate_id": 53}


def test_documents_that_are_delivered_again_are_dropped(tmp_path):
    write(tmp_path / "x.jsonl", *users(60, same_text=True))
    documents = ingested(
        tmp_path / "a", str(tmp_path / "x.jsonl"), id="user", split=SplitConfig(train=1)
    )
    assert documents.ledger["dropped"] == {"duplicate_id": 53}
