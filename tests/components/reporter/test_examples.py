from tests.components.reporter.pages import HOSTILE, Page
from textmill.components.reporter.examples import read_examples
from textmill.components.reporter.page import render_report
from textmill.components.reporter.shortened_texts import shorten


def test_worst_errors_are_the_most_certain_wrong_answers(artifacts):
    inputs = artifacts["predictions"]["spam"], artifacts["documents"]["spam"]
    examples = read_examples(*inputs, count=10)
    assert read_examples(*inputs, count=1)["errors"] == examples["errors"][:1]
    errors = [
        (row["id"], row["answer"], row["probability"]) for row in examples["errors"]
    ]
    order = [row["id"] for row in inputs[1].read("test")]
    spam = [id for id in order if id in ("a", "c")]
    assert errors == [
        (id, "ham", round(0.99 - 0.1 * order.index(id), 4)) for id in spam
    ]
    assert [row["id"] for row in examples["samples"]] == order


def test_texts_are_short_masked_as_ingested_and_inert(data):
    errors = {row["id"]: row for row in data["stages"][0]["examples"]["errors"]}
    assert errors["c"]["text"] == "Call <PHONE> now"
    assert len(errors["a"]["text"]) <= 400 and errors["a"]["text"].endswith("…")
    page = Page(render_report(data))
    assert f"Call <PHONE> now {HOSTILE} ham" in page.text
    assert not {"phone", "script"} & set(page.tags)


def test_a_task_without_a_label_has_no_examples(artifacts):
    predictions = artifacts["predictions"]["spam"]
    predictions.facts["task"] = "masked_lm"
    documents = artifacts["documents"]["spam"]
    assert read_examples(predictions, documents, count=10) == {}


def test_a_long_text_ends_with_an_ellipsis():
    assert shorten("a  b\n c") == "a b c"
    assert shorten("word " * 10, 12) == "word word w…"
