import json

import pandas as pd
import pyarrow as pa
import pytest

from textmill.models.errors import ConfigError
from textmill.pipeline.config.load import parse_config
from textmill.pipeline.starter import data_name, render_starter, starter_config, to_name
from textmill.pipeline.survey.survey import make_survey
from textmill.pipeline.tables import (
    answers_like,
    file_of,
    make_table,
    to_rows,
    to_texts,
)


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


def test_the_same_rows_have_the_same_file(tmp_path):
    rows = [{"text": "one", "label": "a"}, {"text": "two", "label": "b"}]
    of_list = file_of(rows, tmp_path, "text", "label")
    assert file_of(pd.DataFrame(rows), tmp_path, None, "label") == of_list
    assert file_of(pa.Table.from_pylist(rows), tmp_path) == of_list
    assert lines_of(of_list) == [
        '{"text":"one","label":"a"}',
        '{"text":"two","label":"b"}',
    ]
    assert file_of(rows[:1], tmp_path) != of_list
    assert file_of(tmp_path / "a.csv", tmp_path) == str(tmp_path / "a.csv")


def test_missing_values_are_null(tmp_path):
    frame = pd.DataFrame({"t": ["one", None], "y": [3, None]})
    frame["day"] = pd.to_datetime(["2026-11-26", None])
    assert lines_of(file_of(frame, tmp_path)) == [
        '{"t":"one","y":3.0,"day":"2026-11-26 00:00:00"}',
        '{"t":null,"y":null,"day":null}',
    ]


def test_data_of_another_kind_are_an_error_that_names_what_fits(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'mesage'"):
        file_of([{"mesage": "one", "label": "a"}], tmp_path, "message", "label")
    with pytest.raises(TypeError, match="got list of str"):
        file_of(["one"], tmp_path)
    with pytest.raises(TypeError, match="got int"):
        file_of(3, tmp_path)


def test_names_are_made_of_the_title_of_a_column():
    titles = ["Ticket category", "label", "2nd", "类别"]
    assert [to_name(t) for t in titles] == [
        "ticket_category",
        "label",
        "label_2nd",
        "label",
    ]


@pytest.mark.parametrize(
    ("data", "name"),
    [("d/tickets.csv.gz", "tickets"), ("mail/", "mail"), ("mail/*/*.txt", "mail")],
)
def test_data_have_the_name_of_their_file_or_folder(data, name):
    assert data_name(data) == name


def survey_of(folder, texts, *, label=lambda n: "ab"[n % 2], name="a.jsonl", **options):
    rows = [{"text": text, "label": label(n)} for n, text in enumerate(texts)]
    return make_survey(file_named(folder / name, rows), **options)


def file_named(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize(
    ("count", "split", "length"),
    [
        (60, {"train": 0.7, "eval": 0.3}, {"epochs": 60}),
        (600, {"train": 0.7, "eval": 0.15, "test": 0.15}, {"epochs": 13}),
        (3000, {"train": 0.8, "eval": 0.1, "test": 0.1}, {"epochs": 5}),
    ],
)
def test_splits_and_epochs_follow_the_number_of_rows(count, split, length, tmp_path):
    survey = survey_of(tmp_path, [f"text {n}" for n in range(count)])
    values = starter_config(survey)
    assert values["datasets"]["texts"]["split"] == split
    [stage] = values["stages"].values()
    assert length.items() <= stage["train"].items()
    assert starter_config(survey, size="base")["model"]["layers"] == 4
    [stage] = starter_config(survey, name="s", budget="90s")["stages"].values()
    assert stage["train"]["budget"] == "90s"
    assert "epochs" not in stage["train"]
    values = starter_config(survey, name="s", budget="9s")
    assert values["model"] == {"family": "linear"}
    assert "train" not in values["stages"]["s"]


@pytest.mark.parametrize(
    ("text", "kind", "size", "length"),
    [
        ("the word is here", "wordpiece", 1000, 32),
        ("the word is here " * 20, "wordpiece", 1000, 96),
        ("the word is here " * 200, "wordpiece", 8000, 128),
        ("今天的比赛", "wordpiece", 8000, 32),
        ("これは日本語の文です", "sentencepiece", 1000, 32),
        ("यह हिन्दी में है", "sentencepiece", 1000, 32),
    ],
)
def test_the_vocabulary_and_the_window_follow_the_texts(
    text, kind, size, length, tmp_path
):
    values = starter_config(survey_of(tmp_path, [f"{text} {n}" for n in range(600)]))
    vocabulary = values["vocabulary"]
    assert (vocabulary["kind"], vocabulary["size"]) == (kind, size)
    assert values["model"]["sequence_length"] == length


def test_a_label_that_chance_may_leave_out_of_train_is_moved_there(tmp_path):
    texts = [f"text {n}" for n in range(100)]
    survey = survey_of(tmp_path, texts, label=lambda n: "abr"[2 if n == 1 else n % 2])
    assert starter_config(survey)["datasets"]["texts"]["labels"] == {"rare": "train"}
    assert (
        "labels" not in starter_config(survey_of(tmp_path, texts))["datasets"]["texts"]
    )


def test_test_rows_are_a_split_by_source(tmp_path):
    texts = [f"text {n}" for n in range(100)]
    test = file_named(tmp_path / "b.jsonl", [{"text": "new", "label": "a"}])
    dataset = starter_config(survey_of(tmp_path, texts, test=test))["datasets"]["texts"]
    files = {"train": str(tmp_path / "a.jsonl"), "test": test}
    columns = {"text": "text", "label": "label"}
    assert dataset["source"] == {"jsonl": files, **columns}
    assert dataset["split"] == {"by": "source", "eval": 0.3}
    other = tmp_path / "c.csv"
    other.write_text("text;label\nnew;a\n")
    survey = survey_of(tmp_path, texts, test=str(other))
    values = starter_config(survey, folder=tmp_path)
    assert values["datasets"]["texts"]["sources"] == {
        "test": {"csv": {"test": "c.csv"}, "delimiter": ";", **columns},
        "train": {"jsonl": {"train": "a.jsonl"}, **columns},
    }
    parse_config(render_starter(values, ["a head"]), tmp_path / "c.yaml")


def test_texts_come_from_lists_dicts_and_tables():
    rows = [{"t": "one"}, {"t": "two"}]
    assert to_texts(["one", "two"], "t") == ["one", "two"]
    assert to_texts(rows, "t") == to_texts(pd.DataFrame(rows), "t") == ["one", "two"]
    assert to_texts([], "t") == []
    with pytest.raises(TypeError, match="got float in row 1"):
        to_texts(pd.DataFrame({"t": ["one", float("nan")]}), "t")
    assert to_rows(pa.Table.from_pylist(rows)) == rows


def test_answers_have_the_form_of_the_input():
    answers = [{"label": "b", "probabilities": {"b": 0.75, "a": 0.25}}]
    assert answers_like(["one"], answers) is answers
    table = answers_like(pd.DataFrame({"t": ["one"]}, index=[7]), answers)
    assert table.to_dict("index") == {
        7: {"label": "b", "probability": 0.75, "p_a": 0.25, "p_b": 0.75}
    }
    series = pd.Series(["one"], index=[7])
    assert to_texts(series, "t") == ["one"]
    assert answers_like(series, answers).equals(table)
    assert make_table([{"a": 1, "b": 2}], ["b"]).to_dict("list") == {"b": [2]}
