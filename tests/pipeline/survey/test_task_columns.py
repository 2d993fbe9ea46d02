"""The task that columns are for, by their names and values."""

import pytest

from textmill.pipeline.survey.columns import read_columns
from textmill.pipeline.survey.task_columns import TaskColumns, guess_task


def guess(rows, **given):
    return guess_task(rows, read_columns(rows), **given)


def rows(**columns):
    """Returns twelve rows of columns, each a function of the row's number."""
    return [{name: value(n) for name, value in columns.items()} for n in range(12)]


def text(n):
    return f"the text of row {n}"


def other(n):
    return f"another one of {n}"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"body": text, "x": lambda n: [[0, 3, "a"]]}, ("tag", ("body",), "x")),
        (
            {"body": text, "x": lambda n: [{"start": 0, "end": 3, "label": "a"}]},
            ("tag", ("body",), "x"),
        ),
        (
            {"tokens": lambda n: ["a", "b"], "ner": lambda n: ["B-x", "O"]},
            ("tag", ("tokens",), "ner"),
        ),
        ({"body": text, "x": lambda n: ["ab"[n % 2]]}, ("multilabel", ("body",), "x")),
        (
            {"context": text, "question": other, "answers": lambda n: ["text"]},
            ("answer", ("context", "question"), "answers"),
        ),
        ({"de": text, "en": other}, ("seq2seq", ("de",), "en")),
        ({"article": text, "summary": other}, ("seq2seq", ("article",), "summary")),
        ({"prompt": text, "response": other}, ("respond", ("prompt",), "response")),
        (
            {"anchor": text, "positive": other, "negative": text},
            ("embed", ("anchor", "positive", "negative")),
        ),
        (
            {"premise": text, "hypothesis": other, "label": lambda n: n % 3},
            ("classify", ("premise", "hypothesis"), "label"),
        ),
        (
            {"sentence1": text, "sentence2": other, "score": lambda n: n / 8},
            ("regress", ("sentence1", "sentence2"), "score"),
        ),
        ({"body": text, "score": lambda n: n / 8}, ("regress", ("body",), "score")),
    ],
)
def test_columns_name_their_task(columns, expected):
    assert guess(rows(**columns)) == TaskColumns(*expected)


@pytest.mark.parametrize(
    "columns",
    [
        {"text": text},
        {"left": text, "right": other},
        {"text": text, "label": lambda n: n % 3},
        {"text": text, "label": lambda n: n % 3, "keywords": lambda n: ["ab"[n % 2]]},
        {"text": text, "keywords": lambda n: [f"word {n}"]},
        {"text": text, "tags": lambda n: []},
    ],
)
def test_texts_alone_or_with_a_label_have_no_other_task(columns):
    assert guess(rows(**columns)) is None


def test_a_given_task_needs_no_usual_names():
    pair = rows(left=text, right=other)
    assert guess(pair, task="embed") == TaskColumns("embed", ("left", "right"))
    translated = guess(pair, task="seq2seq", texts=["right"])
    assert translated == TaskColumns("seq2seq", ("right",), "left")
    stars = rows(body=text, label=lambda n: n % 3)
    assert guess(stars, task="regress") == TaskColumns("regress", ("body",), "label")
    assert guess(stars, task="tag") is None


def test_a_given_target_of_lists_names_the_task():
    table = rows(
        text=text, label=lambda n: n % 3, found=lambda n: [[0, 3, "a"]], n=lambda n: n
    )
    assert guess(table, target="found") == TaskColumns("tag", ("text",), "found")
    assert guess(table, target="label") is None
