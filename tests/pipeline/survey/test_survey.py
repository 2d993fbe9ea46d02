"""Surveys: sources, samples, columns and the sentences about them."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textmill.models.errors import ConfigError, DataError
from textmill.pipeline.survey import sample as sampling
from textmill.pipeline.survey.columns import guess_label, guess_text, read_columns
from textmill.pipeline.survey.remarks import check_learnable, remarks
from textmill.pipeline.survey.source import find_source
from textmill.pipeline.survey.survey import make_survey


@pytest.fixture
def write(tmp_path):
    """Writes rows as JSON lines; returns the path."""

    def apply(rows, name="a.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(path)

    return apply


def rows(count, **columns):
    """Returns rows with texts and labels, and the columns of functions."""
    defaults = {"text": lambda n: f"a text of {n}", "label": lambda n: "ab"[n % 2]}
    functions = defaults | columns
    return [{name: of(n) for name, of in functions.items()} for n in range(count)]


def test_a_column_of_a_usual_name_is_preferred_to_a_longer_one():
    table = [
        {"url": f"https://example.org/{n:050}", "body": f"note {n}", "kind": n % 2}
        for n in range(9)
    ]
    columns = read_columns([*table, {"topic": "rare"}])
    text = guess_text(columns)
    assert text.name == "body"
    assert guess_label(columns, text).name == "kind"
    assert guess_label(read_columns(table[:2]), text) is None


def test_a_short_column_of_a_usual_name_holds_no_texts():
    table = [{"comment": "no", "essay": "long words " * 9 + str(n)} for n in range(9)]
    assert guess_text(read_columns(table)).name == "essay"


@pytest.mark.parametrize(
    ("name", "value", "is_group"),
    [
        ("user_id", lambda n: n // 2, True),
        ("Thread", lambda n: f"t{n // 3}", True),
        ("user_id", lambda n: n, False),  # each once: nothing to keep together
        ("source", lambda n: n % 3, False),  # three large ones: no even split
        ("user_id", lambda n: None if n == 5 else n // 2, False),  # splits need a key
        ("priority", lambda n: n // 2, False),
    ],
)
def test_a_group_is_a_column_of_a_usual_name_with_many_small_values(
    name, value, is_group, write
):
    survey = make_survey(write(rows(80, **{name: value})))
    assert (survey.group is not None) == is_group


def test_duplicates_conflicts_and_leaks_are_named(write):
    table = [
        {"text": f"[refund] mail {n}", "label": "refund"}
        if n % 2
        else {"text": f"mail {n}", "label": "other"}
        for n in range(40)
    ]
    table.append({"text": "Mail  2", "label": "refund"})
    table += [{"text": "mail 4", "label": "other"}] * 3
    survey = make_survey(write(table))
    assert list(remarks(survey, window=32)) == [
        "'refund': the name of the label is in its texts; a model that reads it there "
        "learns nothing else",
        "1 text has different labels in different rows",
        "9% of the texts occur in an earlier row, and are left out",
        "40 labelled texts are few: expect wide intervals; folds: 5 in the stage "
        "measures on all of them",
    ]


def test_texts_beyond_the_window_and_bad_records_are_counted(write):
    words = rows(30, text=lambda n: f"{n} " + "word " * (300 if n % 4 == 0 else 5))
    path = write(words)
    with open(path, "a") as file:
        file.write("no json\n")
    bad, longer, _ = remarks(make_survey(path), window=128)
    assert bad.startswith(f"1 record is bad; the first: {path}, line 31: ")
    assert longer.startswith("27% of the texts are longer than 128 tokens (model.seq")


def test_a_file_that_is_not_utf_8_at_its_end_is_read_in_its_encoding(tmp_path):
    path = tmp_path / "a.csv"
    lines = [f"the text of row {n} is here,{'ab'[n % 2]}\n" for n in range(3000)]
    lines.append("schöne Grüße aus der Küche,a\n")
    path.write_text("text,label\n" + "".join(lines), encoding="cp1252")
    survey = make_survey(str(path))
    assert survey.source["encoding"] == "cp1252"
    assert (survey.sample.num_bad, len(survey.sample.rows)) == (0, 3001)


def test_a_table_without_a_header_gets_names(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "".join(f"{n % 3},headline of news number {n}\n" for n in range(30))
    )
    survey = make_survey(str(path))
    assert survey.source["columns"] == ("column_1", "column_2")
    assert (survey.text.name, survey.label.name) == ("column_2", "column_1")
    assert len(survey.sample.rows) == 30


def test_a_large_source_is_sampled_all_over_and_its_rows_are_estimated(
    write, tmp_path, monkeypatch
):
    monkeypatch.setattr(sampling, "MAX_ROWS", 100)
    monkeypatch.setattr(sampling, "MAX_BYTES", 8000)
    monkeypatch.setattr(sampling, "_RANGE_BYTES", 4000)
    table = [{"text": f"text {n:05}", "label": "ab"[n // 500]} for n in range(1000)]
    survey = make_survey(write(table))
    assert 80 <= len(survey.sample.rows) <= 110
    assert survey.sample.total == 1000
    assert set(survey.labels.counts) == {"a", "b"}
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "a.parquet")
    parquet = make_survey(str(tmp_path / "a.parquet"))
    assert (parquet.sample.total, parquet.sample.is_complete) == (1000, False)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    packed = make_survey(str(path))
    assert packed.sample.size == f"{len(packed.sample.rows):,} rows read of more"


def test_folders_are_read_by_their_layout(tmp_path):
    def make(*names):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text('{"text": "a", "label": "b"}\n')
        source = find_source(str(folder))
        return {
            key: value.replace(f"{folder}/", "") if isinstance(value, str) else value
            for key, value in source.items()
        } | ({"folder": "."} if "folder" in source else {})

    files = make("day=1/a.jsonl", "day=2/b.jsonl", "README.md")
    assert files == {"jsonl": "*/*.jsonl"}
    assert make("a.jsonl", "deep/b.jsonl") == {"jsonl": "**/*.jsonl"}
    assert make("train.jsonl", "test.jsonl") == {"folder": "."}
    assert make("sci/51060", "rec/51061") == {"txt": "*/*", "document": "file"}


def test_test_rows_of_another_file_are_compared(write, tmp_path):
    data = write(rows(40))
    test = write([*rows(3)[1:], {"text": "new", "label": "c"}], "test.jsonl")
    survey = make_survey(data, test=test)
    assert survey.test.unknown_labels == ("c",)
    assert list(remarks(survey, window=32)) == [
        "the test rows alone have 'c', and are left out there",
        "2 test texts are in the data, too, and left out there",
    ]
    with pytest.raises(ConfigError, match="expected a file of test rows"):
        make_survey(data, test=str(tmp_path))
    with pytest.raises(ConfigError, match=r"column label: the data has no such column"):
        make_survey(data, test=write([{"text": "a", "y": 1}], "bad.jsonl"))


@pytest.mark.parametrize(
    ("table", "label", "sentence"),
    [
        ([{"text": f"t {n}"} for n in range(30)], None, "found none among 'text'"),
        (rows(30, label=lambda n: None), "label", "got none in any row with a text"),
        (rows(30, label=lambda n: 1), "label", "got '1' in every row"),
        (rows(30, label=lambda n: f"x{n}"), "label", "30 different ones in 30"),
        (rows(30, label=lambda n: n / 7), "label", "in 30 rows, numbers, as of a regr"),
        (rows(12), "label", "20 different texts with a label or more, .*, got 12; add"),
        (rows(90, text=lambda n: n % 9), "label", "to measure it, got 9; add rows"),
    ],
)  # fmt: skip
def test_data_that_teach_no_label_are_refused_in_one_sentence(
    table, label, sentence, write
):
    survey = make_survey(write(table), label=label)
    with pytest.raises(DataError, match=sentence):
        check_learnable(survey)
