import pandas as pd
import pyarrow as pa
import pytest

from textmill.models.errors import ConfigError
from textmill.pipeline.starter import source_of, starter_config, to_name
from textmill.pipeline.tables import answers_like, make_table, to_rows, to_texts


def rows_of(source):
    with open(source["jsonl"], encoding="utf-8") as file:
        return file.read().splitlines()


def test_the_same_rows_have_the_same_file(tmp_path):
    rows = [{"text": "one", "label": "a"}, {"text": "two", "label": "b"}]
    columns = {"text": "text", "label": "label"}
    of_list = source_of(rows, tmp_path, **columns)
    assert source_of(pd.DataFrame(rows), tmp_path, **columns) == of_list
    assert source_of(pa.Table.from_pylist(rows), tmp_path, **columns) == of_list
    assert rows_of(of_list) == [
        '{"text":"one","label":"a"}',
        '{"text":"two","label":"b"}',
    ]
    assert source_of(rows[:1], tmp_path, **columns) != of_list


def test_missing_values_are_null_and_whole_labels_stay_integers(tmp_path):
    frame = pd.DataFrame({"t": ["one", None], "y": [3, None]})
    frame["day"] = pd.to_datetime(["2026-11-26", None])
    assert rows_of(source_of(frame, tmp_path, text="t", label="y")) == [
        '{"t":"one","y":3,"day":"2026-11-26 00:00:00"}',
        '{"t":null,"y":null,"day":null}',
    ]


@pytest.mark.parametrize(
    ("path", "key"),
    [("/d/a.csv", "csv"), ("/d/a.jsonl.gz", "jsonl"), ("gs://b/*.parquet", "parquet")],
)
def test_the_end_of_a_name_tells_the_format(path, key, tmp_path):
    assert source_of(path, tmp_path, text="t", label="y") == {key: path}


def test_data_of_another_kind_are_an_error_that_names_what_fits(tmp_path):
    columns = {"text": "message", "label": "label"}
    with pytest.raises(ConfigError, match=r"ends in \.jsonl, .*got another name"):
        source_of("a.docx", tmp_path, **columns)
    with pytest.raises(ConfigError, match="did you mean 'mesage'"):
        source_of([{"mesage": "one", "label": "a"}], tmp_path, **columns)
    with pytest.raises(TypeError, match="got list of str"):
        source_of(["one"], tmp_path, **columns)
    with pytest.raises(TypeError, match="got int"):
        source_of(3, tmp_path, **columns)


def test_names_are_made_of_the_title_of_a_column():
    titles = ["Ticket category", "label", "2nd", "类别"]
    assert [to_name(t) for t in titles] == [
        "ticket_category",
        "label",
        "label_2nd",
        "label",
    ]
    config = starter_config({}, name="a", text="t", label="y", budget="5m")
    assert list(config["stages"]) == ["a"]


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
