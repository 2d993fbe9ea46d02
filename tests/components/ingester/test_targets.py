"""Targets of every kind, from the column of a source to the field of a document."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from tests.components.ingester.test_ingester import (  # noqa: F401
    ALL_TRAIN,
    FORGIVING,
    dead_letters,
    ledger,
    read,
    run,
    write,
)
from textmill.components.ingester.augment import AugmentConfig
from textmill.components.ingester.cleaning.config import CleanConfig
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.sampling.config import SplitConfig
from textmill.components.ingester.sources.config import SourceConfig
from textmill.models.errors import DataError

CSV = """id,text,topics,score
a,An old mill.,news|art,4.5
b,A new mill.,,-1
c,No mill.,art,3
"""
LABELS = {"a": ["art", "news"], "b": [], "c": ["art"]}
NUMBERS = {"a": 4.5, "b": -1.0, "c": 3.0}


def csv(folder):
    (folder / "rows.csv").write_text(CSV)
    return {"csv": str(folder / "rows.csv")}


def jsonl(folder):
    lines = [line.split(",") for line in CSV.splitlines()[1:]]
    rows = [
        {"id": id, "text": text, "topics": LABELS[id], "score": NUMBERS[id]}
        for id, text, *_ in lines
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return {"jsonl": str(folder / "rows.jsonl")}


def parquet(folder):
    jsonl(folder)
    lines = (folder / "rows.jsonl").read_text().splitlines()
    table = pa.Table.from_pylist([json.loads(line) for line in lines])
    pq.write_table(table, folder / "rows.parquet")
    return {"parquet": str(folder / "rows.parquet")}


def fields(documents, field):
    return {id: row[field] for id, row in read(documents).items()}


@pytest.mark.parametrize("files", [csv, jsonl, parquet])
def test_labels_of_every_format(files, run, tmp_path):  # noqa: F811
    separator = {"labels_separator": "|"} if files is csv else {}
    source = SourceConfig(**files(tmp_path), id="id", labels="topics", **separator)
    documents = run(source, split=ALL_TRAIN)
    assert fields(documents, "labels") == LABELS
    assert documents.facts["labels"] == ["art", "news"]
    assert documents.target == "labels"
    assert documents.facts["columns"] == ["score"]


@pytest.mark.parametrize("files", [csv, jsonl, parquet])
def test_numbers_of_every_format(files, run, tmp_path):  # noqa: F811
    source = SourceConfig(**files(tmp_path), id="id", number="score")
    documents = run(source, split=ALL_TRAIN)
    assert fields(documents, "number") == NUMBERS
    assert documents.facts["labels"] == []
    assert documents.target == "number"


def test_labels_of_tf_examples_are_decoded(run, tmp_path):  # noqa: F811
    path = tmp_path / "rows.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as file:
        for text, labels in ((b"one", [b"x", "é".encode()]), (b"two", [b"x"])):
            example = tf.train.Example()
            example.features.feature["text"].bytes_list.value.append(text)
            example.features.feature["of"].bytes_list.value.extend(labels)
            file.write(example.SerializeToString())
    documents = run(SourceConfig(tfrecord=str(path), labels="of"), split=ALL_TRAIN)
    assert sorted(d["labels"] for d in read(documents).values()) == [["x"], ["x", "é"]]


def test_parquet_labels_get_the_names_of_hugging_face(run, tmp_path):  # noqa: F811
    feature = {"feature": {"names": ["no", "yes"], "_type": "ClassLabel"}}
    info = json.dumps({"info": {"features": {"of": feature}}})
    table = pa.table({"text": ["a", "b"], "of": [[1, 0], [1]]})
    table = table.replace_schema_metadata({"huggingface": info})
    pq.write_table(table, tmp_path / "x.parquet")
    source = SourceConfig(parquet=str(tmp_path / "x.parquet"), labels="of")
    documents = run(source, split=ALL_TRAIN)
    values = sorted(row["labels"] for row in read(documents).values())
    assert values == [["no", "yes"], ["yes"]]


def test_parquet_labels_that_are_no_text_are_dead_letters(run, tmp_path):  # noqa: F811
    lists = pa.array([[b"a"], [b"\xff"], [b"b" * 99]], pa.list_(pa.binary()))
    broken = lists.view(pa.list_(pa.string()))
    pq.write_table(pa.table({"text": ["1", "2", "3"], "of": broken}), tmp_path / "x")
    source = SourceConfig(parquet=str(tmp_path / "x"), labels="of")
    limits = type(FORGIVING)(max_bad_fraction=1, max_line_bytes=90)
    documents = run(source, split=ALL_TRAIN, limits=limits)
    assert [row["labels"] for row in read(documents).values()] == [["a"]]
    reasons = [letter["reason"] for letter in dead_letters(documents)]
    assert reasons == ["invalid_utf8", "record_too_long"]


def test_tags_and_target_texts_reach_the_documents(run, write):  # noqa: F811
    text = "Ada lives in Rome."
    row = {"text": text, "id": "a", "spans": [[13, 17, "place"], [0, 3, "name"]]}
    row |= {"french": "Ada vit a\u0300 Rome."}
    file = write(row)
    spans = [
        {"start": 0, "end": 3, "label": "name"},
        {"start": 13, "end": 17, "label": "place"},
    ]
    for column, key, value, labels in (
        ("spans", "tags", spans, ["name", "place"]),
        ("french", "target_text", "Ada vit \u00e0 Rome.", []),
    ):
        source = SourceConfig(jsonl=file, id="id", **{key: column})
        documents = run(source, split=ALL_TRAIN, folder=key)
        assert read(documents)["a"][key] == value
        assert documents.facts["labels"] == labels


def test_a_target_text_loses_personal_data_like_the_text(run, write):  # noqa: F811
    row = {"text": "Write to a@b.example.", "of": "Or to c@d.example.", "id": "x"}
    source = SourceConfig(jsonl=write(row), id="id", target_text="of")
    masked = run(source, split=ALL_TRAIN, clean=CleanConfig(privacy="mask"))
    [document] = read(masked).values()
    assert "@b.example" not in document["text"]
    assert "@d.example" not in document["target_text"]
    dropped = run(
        SourceConfig(jsonl=write(row, row | {"of": "No.", "text": "Yes.", "id": "y"})),
        split=ALL_TRAIN,
        clean=CleanConfig(privacy="drop"),
        folder="dropped",
    )
    assert ledger(dropped)["dropped"] == {"personal": 1}


@pytest.mark.parametrize(
    ("key", "value", "detail"),
    [
        ("number", "many", "column 'of': expected a finite number, got str"),
        ("labels", [1.5], "column 'of': expected a string or an integer, got float"),
        ("tags", [[3, 99, "x"]], "inside a text of 4 characters, got 3 to 99"),
        ("target_text", 7, "column 'of': expected a string, got int"),
    ],
)
def test_a_value_of_another_kind_is_a_dead_letter(
    key,
    value,
    detail,
    run,  # noqa: F811
    write,  # noqa: F811
):
    good = {"number": 1, "labels": [], "tags": [], "target_text": "b"}[key]
    rows = [{"text": "okay", "of": good}, {"text": "mill", "of": value}]
    source = SourceConfig(jsonl=write(*rows), **{key: "of"})
    documents = run(source, split=ALL_TRAIN, limits=FORGIVING)
    [letter] = dead_letters(documents)
    assert letter["reason"] == f"{key}_type"
    assert detail in letter["detail"]


@pytest.mark.parametrize(("key", "label"), [("tags", ["x"]), ("answers", [])])
def test_spans_move_with_their_characters_or_make_a_dead_letter(
    key,
    label,
    run,  # noqa: F811
    write,  # noqa: F811
):
    rows = [
        {"text": "a  bc", "of": [[3, 5, *label]]},
        {"text": "e\u0301 bc", "of": [[3, 5, *label]]},
    ]
    documents = run(
        SourceConfig(jsonl=write(*rows), **{key: "of"}),
        split=ALL_TRAIN,
        clean=CleanConfig(whitespace="collapse"),
        limits=FORGIVING,
    )
    assert [letter["reason"] for letter in dead_letters(documents)] == [f"{key}_moved"]
    [document] = read(documents).values()
    [span] = document[key]
    assert (document["text"], span["start"], span["end"]) == ("a bc", 2, 4)


def test_one_of_several_labels_that_train_lacks_is_an_error(run, write):  # noqa: F811
    train = write({"text": "a", "of": ["x"]}, name="train.jsonl")
    test = write({"text": "b", "of": ["x", "y"]}, name="test.jsonl")
    source = SourceConfig(jsonl={"train": train, "test": test}, labels="of")
    with pytest.raises(DataError, match="split test: label 'y' has 1 documents there"):
        run(source, split=SplitConfig(by="source"))


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"label": "a", "number": "b"}, "one target per source, got label and number"),
        (
            {"labels": "a", "limit_per_label": 3},
            "a label column for limit_per_label, got labels",
        ),
        (
            {"label": "a", "labels_separator": "|"},
            "a labels column for labels_separator, got label",
        ),
        (
            {"labels": "a", "labels_separator": ""},
            "a text as labels_separator, got an empty one",
        ),
    ],
)
def test_a_source_has_one_target_and_its_own_knobs(knobs, message):
    with pytest.raises(ValueError) as error:
        SourceConfig(jsonl="x", **knobs)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("key", "parts", "message"),
    [
        (
            "target_text",
            {"augment": AugmentConfig(swap=0.1)},
            "number column for augment, got text",
        ),
        (
            "id",
            {"augment": AugmentConfig(swap=0.1)},
            "number column for augment, got none",
        ),
        (
            "target_text",
            {"split": SplitConfig(by="position")},
            "(label, labels or number) for split.by: position, got text",
        ),
        (
            "tags",
            {"clean": CleanConfig(repeated_passages="sentences")},
            "clean.repeated_passages: keep for a source with tags, whose texts may not "
            "change, got sentences",
        ),
    ],
)
def test_a_step_that_changes_texts_needs_a_target_that_stays_true(key, parts, message):
    with pytest.raises(ValueError) as error:
        DatasetConfig(source=SourceConfig(jsonl="x", **{key: "a"}), **parts)
    assert str(error.value).endswith(message)


def test_all_sources_have_the_same_kind_of_target():
    sources = {
        "a": SourceConfig(jsonl="x", label="of"),
        "b": SourceConfig(jsonl="y", number="of"),
    }
    with pytest.raises(ValueError) as error:
        DatasetConfig(sources=sources)
    expected = "the same kind of target in every source, got label in a, number in b"
    assert str(error.value) == expected
