"""A config and its data: columns of local files, splits of evaluations."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textmill.models.errors import ConfigError
from textmill.pipeline.config.data_checks import check_data
from textmill.pipeline.config.load import parse_config

CONFIG = """\
name: tickets
datasets:
  tickets:
    source: {%s, text: message, label: category}
    split: {train: 0.8, eval: 0.2, by: customer}
vocabulary: {kind: character, learn_from: tickets}
model: {family: lstm}
stages:
  ticket:
    task: classify
    dataset: tickets
    train: {steps: 1}
    evaluate: {slices: [language, lang]}
"""
ROW = {"message": "a", "category": "b", "customer": 1, "lang": "en"}


def jsonl(folder, *rows):
    path = folder / "x.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "jsonl: x.jsonl"


def csv(folder, *rows):
    lines = [",".join(rows[0]), *(",".join(map(str, r.values())) for r in rows)]
    (folder / "x.csv").write_text("\n".join(lines) + "\n")
    return "csv: x.csv"


def parquet(folder, *rows):
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / "x.parquet")
    return "parquet: x.parquet"


def check(folder, source, *overrides, nodes=None):
    loaded = parse_config(CONFIG % source, folder / "c.yaml", overrides)
    check_data(loaded, nodes=nodes)


@pytest.mark.parametrize("write", [jsonl, csv, parquet])
def test_columns_of_the_files_are_fine(write, tmp_path):
    check(tmp_path, write(tmp_path, ROW))


@pytest.mark.parametrize("write", [jsonl, csv, parquet])
def test_every_unknown_column_is_named_with_its_place(write, tmp_path):
    row = {"mesage": "a", "categories": "b", "place": 1, "langs": "en"}
    with pytest.raises(ConfigError) as error:
        check(tmp_path, write(tmp_path, row))
    names = "a column of the files ('mesage', 'categories', 'place', 'langs')"
    title, *lines = str(error.value).splitlines()
    assert title.startswith("4 errors in ")
    prefix = f"{tmp_path}/c.yaml:"
    assert [line.removeprefix(prefix) for line in lines] == [
        f"4:{len(write(tmp_path, row)) + 16} datasets.tickets.source.text: expected "
        f"{names}, got 'message'; did you mean 'mesage'?",
        f"4:{len(write(tmp_path, row)) + 31} datasets.tickets.source.label: expected "
        f"{names}, got 'category'; did you mean 'categories'?",
        f"5:36 datasets.tickets.split.by: expected {names}, got 'customer'",
        f"13:35 stages.ticket.evaluate.slices.1: expected {names}, got 'lang'; did you "
        "mean 'langs'?",
    ]


def test_optional_columns_are_looked_for_in_many_records(tmp_path):
    rows = [{"message": "a", "customer": 1}] * 3 + [ROW]
    check(tmp_path, jsonl(tmp_path, *rows))
    rows = [{"message": "a", "customer": 1}] * 1000
    check(tmp_path, jsonl(tmp_path, *rows, ROW))
    with pytest.raises(ConfigError, match="got 'category'; did you mean 'categorie'"):
        check(tmp_path, jsonl(tmp_path, {"categorie": "b"} | rows[0], *rows))


def test_columns_of_folders_count_for_targets(tmp_path):
    (tmp_path / "category=b").mkdir()
    row = {"message": "a", "customer": 1, "lang": "en"}
    jsonl(tmp_path / "category=b", row)
    check(tmp_path, 'jsonl: "*/x.jsonl"')


@pytest.mark.parametrize(
    "source", ["jsonl: absent.jsonl", "jsonl: gs://bucket/x.jsonl", "csv: empty.csv"]
)
def test_files_that_cannot_be_read_here_are_left_to_the_ingestion(source, tmp_path):
    (tmp_path / "empty.csv").touch()
    check(tmp_path, source)


def test_an_evaluation_without_a_split_is_an_error_only_if_it_runs(tmp_path):
    source = jsonl(tmp_path, ROW)
    slices = "stages.ticket.evaluate.slices=[lang]"
    overrides = ("datasets.tickets.split={train: 1}", slices)
    with pytest.raises(ConfigError, match=r"eval or test, .*split\.train below 1"):
        check(tmp_path, source, *overrides)
    check(tmp_path, source, *overrides, nodes={"ingest.tickets"})


def test_a_label_that_no_column_of_texts_has_can_be_the_folder(tmp_path):
    (tmp_path / "x.txt").write_text("one text\n")
    source = f"{{txt: {tmp_path}/x.txt, label: label}}"
    overrides = (f"datasets.tickets.source={source}",)
    with pytest.raises(ConfigError, match=r"directory is the name of a file's folder"):
        check(tmp_path, "txt: x.txt", *overrides)
