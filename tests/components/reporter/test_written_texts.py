"""Written texts on the page: next to their sources and references, the worst first."""

import pyarrow as pa
import pyarrow.parquet as pq

from tests.components.reporter.pages import HOSTILE, Page
from tests.conftest import write_documents
from textmill.components.artifacts import Predictions
from textmill.components.reporter.examples import read_examples
from textmill.components.reporter.page import render_report
from textmill.pipeline.publish import seal

PAIRS = [
    ("one dog", "ein Hund", "ein Hund"),
    ("two cats", "zwei Katzen", HOSTILE),
    ("a long road", "eine lange Straße", "eine Straße"),
]


def written(folder, count):
    rows = [
        {"id": source, "text": source, "target_text": target}
        for source, target, _ in PAIRS
    ]
    documents = write_documents(folder / "documents", {"train": rows, "test": rows})
    order = [row["id"] for row in documents.read("test")]
    by_source = {source: (target, text) for source, target, text in PAIRS}
    predictions = Predictions(folder / "predictions")
    table = {
        "id": order,
        "target": [by_source[source][0] for source in order],
        "text": [by_source[source][1] for source in order],
    }
    pq.write_table(pa.table(table), predictions.file("test.parquet"))
    predictions.facts = {"task": "seq2seq", "split": "test", "labels": []}
    seal(predictions)
    return order, read_examples(predictions, documents, count=count)


def test_the_worst_are_the_least_like_their_references(tmp_path):
    order, examples = written(tmp_path, 2)
    worst = [(row["source"], row["reference"]) for row in examples["worst_written"]]
    assert worst == [("two cats", "zwei Katzen"), ("a long road", "eine lange Straße")]
    assert [row["source"] for row in examples["written"]] == order[:2]
    assert examples["worst_written"][0]["chrf"] < 20


def test_the_page_shows_sources_references_and_inert_texts(tmp_path, data):
    _, examples = written(tmp_path, 3)
    data["stages"][0]["examples"] = examples
    page = Page(render_report(data))
    assert f"two cats zwei Katzen {HOSTILE}" in page.text
    assert "one dog ein Hund ein Hund 100" in page.text
    assert "script" not in page.tags
