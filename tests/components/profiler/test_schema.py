"""Schemas: inferred, edited by hand, and held against documents."""

import json

import pytest

from tests.conftest import write_documents
from textmill.components.artifacts import Profile
from textmill.components.base import Context
from textmill.components.profiler import ProfileConfig, ProfilerConfig, profile
from textmill.components.profiler.schema import infer, read_schema, render
from textmill.models.errors import ConfigError


@pytest.fixture
def describe(tmp_path):
    """Profiles one split of documents against a schema; returns what was found."""

    def apply(rows, schema=None):
        path = None
        if schema is not None:
            path = tmp_path / "schema.json"
            path.write_text(json.dumps({"format": 1} | schema))
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        made = Profile(folder / "p")
        config = ProfileConfig(schema=path and str(path), min_documents=0)
        profile(
            documents=write_documents(folder / "d", {"train": rows}),
            profile=made,
            config=ProfilerConfig(profile=config),
            context=Context(),
        )
        return made.read()

    return apply


def row(number, **columns):
    return {"id": f"{number}", "text": f"text of {number}", **columns}


def disagreements(found):
    return [a["what"] for a in found["anomalies"] if a["kind"] == "schema"]


ROWS = [
    row(n, label="ab"[n % 2], kind="xyz"[n % 3], n=n, title=f"title {n}")
    | ({"score": 0.5} if n else {})
    for n in range(60)
]


def test_a_schema_is_inferred_with_room_to_move(describe):
    assert describe(ROWS)["schema"] == {
        "format": 1,
        "columns": {
            "kind": {"type": "string", "min_present": 1.0, "values": ["x", "y", "z"]},
            "label": {"type": "string", "min_present": 1.0, "values": ["a", "b"]},
            "n": {"type": "integer", "min_present": 1.0},
            "score": {"type": "number", "min_present": 0.98},
            "title": {"type": "string", "min_present": 1.0},
        },
        "extra_columns": "forbid",
        "text": {"min_characters": 5, "max_characters": 19},
        "min_documents": {"train": 30},
    }


def test_documents_agree_with_the_schema_inferred_from_them(describe):
    found = describe(ROWS)
    assert disagreements(describe(ROWS, found["schema"])) == []
    assert infer(found) == found["schema"]


def test_a_schema_is_written_as_commented_yaml_and_reads_as_the_same(
    describe, tmp_path
):
    rows = [row(n, label="no: 'x'", **{"null": "yes"}) for n in range(20)]
    schema = describe(rows)["schema"]
    text = render(schema, "docs")
    path = tmp_path / "s.yaml"
    path.write_text(text)
    assert text.startswith("# Schema of data set docs, written by")
    assert "`datasets.docs.profile.schema` naming this file" in text
    assert read_schema(path) == schema


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"columns": {"body": {"min_present": 0.1}}}, "column 'body' is missing"),
        (
            {"columns": {"score": {"min_present": 1}}},
            "column 'score' is in 98.3% of the documents, the schema expects 100.0% "
            "or more",
        ),
        (
            {"columns": {"n": {"type": "string"}}},
            "column 'n' is string in the schema, got 60 integer",
        ),
        (
            {"columns": {"label": {"values": ["b"]}}},
            "new label 'a' in 30 documents",
        ),
        (
            {"columns": {"title": {"values": ["title 1"]}}},
            "new value of column 'title' 'title 0', 'title 10', 'title 11' and 56 more "
            "in 59 documents",
        ),
        ({"columns": {"n": {"min": 1}}}, "column 'n' goes down to 0, below 1"),
        ({"columns": {"n": {"max": 58}}}, "column 'n' goes up to 59, above 58"),
        (
            {"columns": {"n": {}}, "extra_columns": "forbid"},
            "column 'kind' is not in the schema",
        ),
        (
            {"text": {"min_characters": 10}},
            "10 documents are shorter than 10 characters",
        ),
        ({"text": {"max_characters": 9}}, "50 documents are longer than 9 characters"),
        (
            {"min_documents": {"train": 1000}},
            "60 documents, the schema expects 1,000 or more",
        ),
        ({"min_documents": {"eval": 1}}, "split is missing"),
    ],
)
def test_what_differs_is_said(describe, rule, sentence):
    said = disagreements(describe(ROWS, {"extra_columns": "allow"} | rule))
    assert said[0] == sentence


def test_integers_are_numbers(describe):
    rule = {"columns": {"n": {"type": "number"}}, "extra_columns": "allow"}
    assert disagreements(describe(ROWS, rule)) == []


def test_what_a_schema_allows_is_matched_by_value(describe):
    rule = {"columns": {"n": {"values": list(range(60))}}, "extra_columns": "allow"}
    assert disagreements(describe(ROWS, rule)) == []


def test_every_mistake_in_a_schema_is_named_at_once(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(
        "format: 2\ncolums: {}\nextra_columns: maybe\ntext: {min_characters: -1}\n"
        "columns: {n: {type: integr, min: low, values: [[1]]}}\n"
    )
    with pytest.raises(ConfigError) as fault:
        read_schema(path)
    assert str(fault.value).split("not a schema: ")[1].split("; expected") == [
        "expected one of format, columns, extra_columns, text, min_documents, "
        "got 'colums'; did you mean 'columns'?; format: expected 1, got 2; "
        "extra_columns: expected forbid or allow, got maybe; "
        "text.min_characters: expected a count, got -1; "
        "columns.n.type: expected string or boolean or integer or number or list or "
        "mapping or any, got 'integr'; did you mean 'integer'?; "
        "columns.n.min: expected a number, got 'low'; "
        "columns.n.values: expected a list of values, got [[1]]"
    ]


@pytest.mark.parametrize("text", ["a: [", "- 1", "x", "", "a: 1\na: 2"])
def test_what_is_no_schema_is_refused_in_a_sentence(tmp_path, text):
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"s\.yaml: (not a schema|expected YAML)"):
        read_schema(path)


def test_an_absent_schema_is_refused_with_the_command_that_writes_one(tmp_path):
    with pytest.raises(ConfigError, match="`textmill data schema` writes one"):
        read_schema(tmp_path / "s.yaml")
