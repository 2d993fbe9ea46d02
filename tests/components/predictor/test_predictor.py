"""Predictions of a real trained model, a row for every document."""

from pathlib import Path

import numpy as np
import pytest

from tests.components.test_line import line, predicted  # noqa: F401
from textmill.components.artifacts import Documents, TokenRows
from textmill.components.prediction_files import _regrouped
from textmill.components.predictor.engine import _sizes
from textmill.models.errors import ConfigError


def test_rows_have_id_target_probabilities_and_slices(line, tmp_path):  # noqa: F811
    predictions = predicted(line, tmp_path / "a", slices=("label",))
    [columns] = predictions.read_groups()
    documents = list(line["documents"].read("test"))
    assert columns["id"] == [document["id"] for document in documents]
    labels = predictions.facts["labels"]
    assert [labels[i] for i in columns["target"]] == [d["label"] for d in documents]
    assert columns["label"] == [d["label"] for d in documents]
    assert columns["probabilities"].shape == (20, len(labels))
    assert columns["probabilities"].dtype == np.float32
    assert columns["probabilities"].sum(axis=1) == pytest.approx(np.ones(20), abs=1e-5)


def test_the_same_inputs_give_the_same_bytes(line, tmp_path):  # noqa: F811
    first = predicted(line, tmp_path / "a", group="label")
    second = predicted(line, tmp_path / "b", group="label")
    assert read(first.path) == read(second.path)
    assert first.digest == second.digest
    assert first.facts["group"] == "label"
    [columns] = first.read_groups()
    assert set(columns["label"]) == set(first.facts["labels"])


def test_bits_per_byte_are_those_of_the_answers_where_rows_have_prompts(tmp_path):
    rows = TokenRows(tmp_path)
    rows.facts = {"tokens": {"test": {"in": 90}}, "bytes": {"test": 30}}
    assert _sizes(rows, "test") == {"tokens": 90, "bytes": 30}
    # Prompts have 80 of the 90 tokens, and 10 tokens write 30 bytes.
    rows.facts["answers"] = {"test": {"tokens": 10, "bytes": 30}}
    assert _sizes(rows, "test") == {"tokens": 10, "bytes": 30}


def read(folder: Path) -> bytes:
    return (folder / "test.parquet").read_bytes()


def test_row_groups_do_not_depend_on_the_batch():
    rows = np.arange(10)

    def groups(batch):
        batches = ({"x": rows[i : i + batch]} for i in range(0, 10, batch))
        return [group["x"].tolist() for group in _regrouped(batches, 4)]

    expected = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert groups(1) == groups(3) == groups(10) == expected


def test_a_document_without_a_column_is_in_the_slice_of_none(line, tmp_path):  # noqa: F811
    documents = Documents(line["documents"].path)
    documents.facts["columns"] = ["lang"]
    some = {**line, "documents": documents}
    [columns] = predicted(some, tmp_path / "a", slices=("lang",)).read_groups()
    assert columns["lang"] == ["(none)"] * 20
    with pytest.raises(ConfigError, match=r"got 'lan'; did you mean 'lang'\?"):
        predicted(some, tmp_path / "b", slices=("lan",))
