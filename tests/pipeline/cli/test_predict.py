"""``textmill predict``: the order of fields, files in and out, the prompt, versions."""

import io
import json
import sys
from functools import partial

import numpy as np
import pytest

from textmill.components.predictor.saved_model import predict_texts
from textmill.models.errors import ConfigError, DataError
from textmill.models.export.format import Explanation, Runtime
from textmill.pipeline.cli.display import render_run
from textmill.pipeline.cli.predict import (
    _predict,
    _print_answer,
    _print_json,
    _prompt,
    _rows,
    report_newer_version,
)
from textmill.pipeline.cli.predict_output import file_writer
from textmill.pipeline.remote.mirror import Mirror
from textmill.pipeline.store import MetadataStore
from textmill.pipeline.tables import flatten_answer
from textmill.pipeline.text_files import read_rows


class Lengths(Runtime):
    """Classifies texts by their length; its outputs are in an unusual order."""

    labels = ("long", "middle", "short")

    def answer(self, texts):
        return [
            {
                "score": len(text),
                "probabilities": [0.1, 0.2, 0.7] if len(text) < 5 else [0.5, 0.3, 0.2],
                "entropy": 1.0,
                "label": "short" if len(text) < 5 else "long",
            }
            for text in texts
        ]


ASK = partial(predict_texts, Lengths())


def answers(tmp_path, source, output, *, column="text", number=None, size=2):
    path = tmp_path / output
    rows = _rows(None, str(source), [column])
    with file_writer(path) as write:
        _predict(
            partial(predict_texts, Lengths()), rows, [column], number, write, size=size
        )
    return path.read_text()


def test_fields_have_one_order_whatever_the_order_of_the_outputs():
    [answer] = predict_texts(Lengths(), ["a text"])
    assert list(answer) == ["label", "probabilities", "entropy", "score"]
    assert list(answer["probabilities"]) == ["long", "middle", "short"]


def test_json_lines_of_a_file_keep_its_columns(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text(
        '{"id": 7, "text": "tiny", "label": "true"}\n\n{"text": "longer"}'
    )
    lines = answers(tmp_path, source, "out.jsonl", number=1).splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "id": 7,
            "text": "tiny",
            "label": "true",
            "predicted_label": "short",
            "probabilities": {"short": 0.7},
            "entropy": 1.0,
            "score": 4,
        },
        {
            "text": "longer",
            "label": "long",
            "probabilities": {"long": 0.5},
            "entropy": 1.0,
            "score": 6,
        },
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("in.csv", '\ufeffid;body\r\n1;tiny\r\n2;"two\nlines"\r\n3;x\r\n'),
        ("in.csv", 'id\tbody\n1\ttiny\n2\t"two\nlines"\n3\tx\n'),
    ],
)
def test_tables_go_in_and_out_in_batches(tmp_path, name, text):
    source = tmp_path / name
    source.write_text(text, newline="")
    assert answers(tmp_path, source, "out.csv", column="body").splitlines() == [
        "id,body,label,probability,p_long,p_middle,p_short,entropy,score",
        "1,tiny,short,0.7,0.1,0.2,0.7,1.0,4",
        '2,"two',
        'lines",long,0.5,0.5,0.3,0.2,1.0,9',
        "3,x,short,0.7,0.1,0.2,0.7,1.0,1",
    ]


def test_a_file_in_another_encoding_is_read_and_said(tmp_path, capsys):
    source = tmp_path / "in.csv"
    lines = "id;text\n1;Die Küche ist schön\n2;für Äpfel\n"
    source.write_text(lines, encoding="cp1252")
    out = answers(tmp_path, source, "out.jsonl")
    assert json.loads(out.splitlines()[0])["text"] == "Die Küche ist schön"
    assert capsys.readouterr().err == f"textmill: {source}: read as cp1252\n"


def test_lines_of_a_text_file_are_texts(tmp_path, capsys):
    source = tmp_path / "in.txt"
    source.write_text("tiny\nlonger\n")
    rows = _rows(None, str(source), ["text"])
    assert (
        _predict(
            partial(predict_texts, Lengths()), rows, ["text"], 1, _print_json, size=8
        )
        == 2
    )
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["short", "long"]


@pytest.mark.parametrize(
    ("name", "text", "error", "words"),
    [
        (
            "in.jsonl",
            '{"text": "a"}\n[1]',
            DataError,
            "in.jsonl, line 2: expected an object, got list",
        ),
        ("in.jsonl", "{", DataError, "in.jsonl, line 1: unexpected end of data"),
        ("in.jsonl", "[" * 100_000, DataError, "line 1: depth limit exceeded"),
        (
            "in.jsonl",
            '{"text": 3}',
            DataError,
            "row 1: expected a text in 'text', got 3",
        ),
        (
            "in.csv",
            "txt,id\na,1\n",
            ConfigError,
            "'text', got txt, id; did you mean 't",
        ),
        ("in.csv", "body\na\n", ConfigError, "got body; --text names the column"),
        ("in.csv", "text\n\x81\n", DataError, "row 2, line 2: byte 0"),
        ("in.doc", "", ConfigError, "a file that ends in .jsonl, .ndjson, .json, .csv"),
    ],
)
def test_a_wrong_line_or_column_is_named(tmp_path, name, text, error, words):
    (tmp_path / name).write_text(text, encoding="latin-1")
    with pytest.raises(error, match=words.replace("[", r"\[")):
        answers(tmp_path, tmp_path / name, "out.jsonl")
    assert not list(tmp_path.glob("*out*"))


class Explained(Lengths):
    """The same, with two n-grams that speak for and against every label."""

    def explain(self, texts):
        weights = np.array([[-2.0, 0, 2.0], [0.5, 0, -0.5]], np.float32)
        rest = np.array([0.25, 0, -0.25], np.float32)
        return [Explanation(["tiny", "ny"], weights, rest) for _ in texts]


def test_an_explanation_has_the_terms_of_the_label_and_the_largest_first(capsys):
    ask = partial(predict_texts, Explained(), explain=True)
    [answer] = ask(["tiny"])
    assert answer["because"] == {"tiny": 2.0, "ny": -0.5, "(rest)": -0.25}
    assert list(answer["because"]) == ["tiny", "ny", "(rest)"]
    write = partial(_print_answer, ["text"], True)
    _predict(ask, [{"text": "tiny"}], ["text"], 1, write, size=8)
    shown = capsys.readouterr().out.split()
    assert shown[shown.index("because") :][:7] == [
        *("because", "tiny", "+2.00", "ny", "-0.50", "(rest)", "-0.25")
    ]
    assert flatten_answer(answer)["because"] == "tiny +2.00; ny -0.50; (rest) -0.25"


def test_a_model_without_ngrams_is_not_explained():
    with pytest.raises(ConfigError, match="expected a classifier with n-grams"):
        predict_texts(Lengths(), ["tiny"], explain=True)


def test_csv_refuses_a_row_with_more_columns_than_the_first(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "a"}\n{"text": "b", "id": 1}\n')
    with pytest.raises(DataError, match="columns of the first row, got 'id' too"):
        answers(tmp_path, source, "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_a_missing_input_and_a_wrong_output_are_named(tmp_path):
    with pytest.raises(ConfigError, match="expected a file, found none"):
        list(read_rows(tmp_path / "absent.csv"))
    for output, words in (
        ("o.txt", "in .jsonl or .csv"),
        ("no/o.csv", "folder, found"),
    ):
        with pytest.raises(ConfigError, match=words), file_writer(tmp_path / output):
            pass


def test_the_prompt_yields_texts_until_its_end(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("first\n\n  \nsecond\n"))
    assert list(_prompt(["body"])) == [{"body": "first"}, {"body": "second"}]
    assert capsys.readouterr().err.startswith("textmill: type a text")


def push(root, stage, version):
    folder = root / "pushed" / stage / str(version)
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").touch()


def summary(run_id, pushed):
    stage = {"metrics": {}, "blessed": None, "pushed": pushed}
    return {
        "run_id": run_id,
        "status": "succeeded",
        "started": 1.0,
        "nodes": {},
        "stages": {"s": stage},
    }


def test_a_run_whose_version_is_not_the_newest_says_so(tmp_path):
    push(tmp_path, "s", 1)
    run = summary("back", "pushed/s/1")
    assert 'textmill predict s "your text"' in render_run(
        run, tmp_path, is_default_root=True
    )
    push(tmp_path, "s", 2)
    out = render_run(run, tmp_path, is_default_root=True)
    assert "version 2 is the current one: `textmill predict s` uses that one" in out
    assert f'next  textmill predict {tmp_path}/pushed/s/1 "your text"' in out


def test_predict_says_that_the_newest_run_pushed_an_older_version(tmp_path, capsys):
    for version in (1, 2):
        push(tmp_path, "s", version)
    with MetadataStore(tmp_path) as store:
        store.record_run(summary("forth", "pushed/s/2"))
        report_newer_version("s", Mirror(str(tmp_path)))
        assert capsys.readouterr().err == ""
        store.record_run(summary("back", "pushed/s/1"))
    report_newer_version("s", Mirror(str(tmp_path)))
    assert capsys.readouterr().err == (
        "textmill: s is version 2; the newest run, back, has pushed/s/1: "
        "to ask that one, name its folder\n"
    )
    report_newer_version("./model", Mirror(str(tmp_path)))
    assert capsys.readouterr().err == ""
