"""Targets: values of sources become values of documents, columns of rows, and back."""

import math

import numpy as np
import pytest

from textmill.models.errors import ConfigError
from textmill.models.targets import TARGETS
from textmill.models.tasks import TaskRow

TEXT = "Ada lives in Rome."


@pytest.mark.parametrize(
    ("kind", "value", "parsed"),
    [
        ("label", "sports", "sports"),
        ("label", 3, "3"),
        ("label", True, "true"),
        ("labels", ["b", "a", "b", 7, False], ["7", "a", "b", "false"]),
        ("labels", "only", ["only"]),
        ("labels", [], []),
        ("number", 3, 3.0),
        ("number", "-2.5e3", -2500.0),
        (
            "tags",
            [[13, 17, "place"], {"start": 0, "end": 3, "label": "name"}],
            [
                {"start": 0, "end": 3, "label": "name"},
                {"start": 13, "end": 17, "label": "place"},
            ],
        ),
        ("tags", [], []),
        ("answer", "Rome", [{"start": 13, "end": 17}]),
        ("answer", [], []),
        (
            "answer",
            [[13, 17], "Rome", {"start": 0, "end": 3}],
            [{"start": 13, "end": 17}, {"start": 0, "end": 3}],
        ),
        (
            "answer",
            {"text": ["Rome", "Ada"], "answer_start": [13, 0]},
            [{"start": 13, "end": 17}, {"start": 0, "end": 3}],
        ),
        ("answer", {"text": [], "answer_start": []}, []),
        ("text", "Ada vit à Rome.", "Ada vit à Rome."),
    ],
)
def test_a_value_is_read_as_its_kind(kind, value, parsed):
    result = TARGETS[kind].parse(value, TEXT)
    assert result == parsed and type(result) is type(parsed)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("label", "", "expected a string or an integer, got an empty string"),
        ("label", 0.5, "expected a string or an integer, got float"),
        ("labels", ["a", None], "expected a string or an integer, got NoneType"),
        ("labels", None, "expected a string or an integer, got NoneType"),
        ("number", "many", "expected a finite number, got str"),
        ("number", True, "expected a finite number, got bool"),
        ("number", math.nan, "expected a finite number, got float"),
        ("number", 1e39, "expected a finite number, got float"),
        ("tags", "place", "expected a list of spans, got str"),
        ("tags", [7], "expected a span of start, end and label, got int"),
        ("tags", [[0, 3]], "expected a span of start, end and label, got list"),
        ("tags", [[0, "3", "x"]], "expected a span of two integers and a string"),
        (
            "tags",
            [[13, 19, "place"]],
            "expected a named span inside a text of 18 characters, got 13 to 19",
        ),
        (
            "tags",
            [[2, 6, "b"], [0, 3, "a"]],
            "expected spans that do not overlap, got 0 to 3 and 2 to 6",
        ),
        ("answer", "Paris", "expected an answer in the text, got 'Paris'"),
        ("answer", 7, "expected a list of answers or a text, got int"),
        (
            "answer",
            [[13, 19]],
            "expected an answer inside a text of 18 characters, got 13 to 19",
        ),
        ("answer", [{"start": 1}], "expected an answer of start and end, got dict"),
        (
            "answer",
            {"text": ["Rome"], "answer_start": [12]},
            "expected 'Rome' at character 12 of the text, got ' Rom'",
        ),
        (
            "answer",
            {"text": ["Rome"], "answer_start": []},
            "expected an answer_start for each text, got 1 texts and 0 places",
        ),
        ("text", "", "expected a string, got an empty string"),
        ("text", ["a"], "expected a string, got list"),
        ("text", "a\0", "expected a string without NUL characters"),
    ],
)
def test_a_value_of_another_kind_is_an_error_with_the_expected_one(
    kind, value, message
):
    with pytest.raises(ValueError) as error:
        TARGETS[kind].parse(value, TEXT)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("kind", "values", "column", "dtype"),
    [
        ("label", ["b", "a", "c"], [1, 0, 2], np.int32),
        ("labels", [["a", "c"], []], [[1, 0, 1], [0, 0, 0]], np.uint8),
        ("number", [0.5, -3.0], [0.5, -3.0], np.float32),
    ],
)
def test_documents_become_a_column_of_rows_and_again_documents(
    kind, values, column, dtype
):
    target, labels = TARGETS[kind], ["a", "b", "c"]
    row = np.dtype(target.row_fields(len(labels)))
    rows = np.zeros(len(values), row)
    rows[target.field] = target.encode(values, labels)
    unpacked = target.unpack(rows[target.field])
    assert unpacked.dtype == dtype
    assert unpacked.tolist() == column
    assert target.decode(unpacked, labels) == values


def test_labels_are_the_names_in_a_value():
    assert TARGETS["label"].labels_of("a") == ("a",)
    assert TARGETS["labels"].labels_of(["a", "b"]) == ("a", "b")
    spans = TARGETS["tags"].parse([[0, 3, "y"], [4, 9, "x"], [13, 17, "y"]], TEXT)
    assert TARGETS["tags"].labels_of(spans) == ("x", "y")
    for kind in ("none", "number", "text"):
        assert TARGETS[kind].labels_of(None) == ()
        assert not TARGETS[kind].has_labels


@pytest.mark.parametrize(
    ("target", "packing", "message"),
    [
        ("lable", "pad", "expected a kind of target (none, label, labels, number, "),
        ("tags", "pair", "expected packing pad or strides with target tags, got pair"),
        ("number", "concat", "expected packing pad, pair or texts with target number"),
        ("text", "pad", "expected packing response or encoder_decoder with target"),
    ],
)
def test_a_task_whose_rows_cannot_hold_its_target_is_refused(target, packing, message):
    with pytest.raises(ConfigError) as error:
        TaskRow(
            path="toy:Toy",
            families=("bert",),
            target=target,
            packings=(packing,),
            metrics=("loss",),
        )
    assert str(error.value).startswith(f"toy:Toy: {message}")
