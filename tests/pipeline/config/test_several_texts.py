"""The texts of a data set against its stages' tasks, packings and files."""

import json

import pytest

from tests.pipeline.config.test_load import GOOD, faults, swap, write  # noqa: F401
from textmill.models.errors import ConfigError
from textmill.pipeline.config.data_checks import check_data
from textmill.pipeline.config.load import load_config
from textmill.pipeline.create_pipeline import create_pipeline

ONE = "jsonl: corpus/*.jsonl, label: library"
PAIR = swap(ONE, f"{ONE}, text: [code, comment]", GOOD)


def packing(path, root):
    pipeline = create_pipeline(load_config(path), root)
    return next(n for n in pipeline.nodes if n.id == "tokenize.library").config.packing


def test_two_texts_are_packed_as_a_pair_by_default(write, tmp_path):  # noqa: F811
    assert packing(write(PAIR), tmp_path) == "pair"
    assert packing(write(GOOD), tmp_path) == "pad"


def test_a_task_says_how_many_texts_it_takes(write):  # noqa: F811
    text = swap("code, comment", "code, comment, test", PAIR)
    [line] = faults(write(text))
    assert (
        "stages.library.dataset: expected a data set with 1 or 2 texts a document for "
        "task classify, got 'libraries, which has 3'; name the columns in "
        "datasets.libraries.source.text"
    ) in line


def test_a_language_model_reads_one_text(write):  # noqa: F811
    text = swap("dataset: docs", "dataset: libraries", PAIR)
    assert "a data set with 1 text a document for task masked_lm" in "".join(
        faults(write(text))
    )


def test_a_packing_of_another_number_of_texts_is_refused(write):  # noqa: F811
    text = swap("{epochs: 4}", "{epochs: 4}\n    tokenize: {packing: pad}", PAIR)
    [line] = faults(write(text))
    assert "tokenize.packing: expected pair for documents of 2 texts, got 'pad'" in line


def test_the_former_key_of_a_pair_is_renamed(write):  # noqa: F811
    text = swap(ONE, f"{ONE}, pair: comment", GOOD)
    assert "did you mean 'text: [A, B]'?" in "".join(faults(write(text)))


def test_each_column_of_a_text_must_be_in_the_files(write, tmp_path):  # noqa: F811
    (tmp_path / "corpus").mkdir()
    row = {"code": "a = 1", "coment": "Sets a.", "library": "x", "module": "m"}
    (tmp_path / "corpus" / "a.jsonl").write_text(json.dumps(row))
    with pytest.raises(ConfigError) as raised:
        check_data(load_config(write(PAIR)))
    assert "datasets.libraries.source.text.1: expected a column" in str(raised.value)
    assert "did you mean 'coment'?" in str(raised.value)


def test_documents_of_one_premise_are_a_group_of_folds_and_intervals(write, tmp_path):  # noqa: F811
    text = swap("by: module", "by: code", PAIR)
    text = swap("{epochs: 4}", "{epochs: 4}\n    folds: 3", text)
    nodes = create_pipeline(load_config(write(text)), tmp_path).nodes
    [folds] = [node for node in nodes if node.id == "folds.library"]
    assert folds.config.group_by == "text"
    groups = {n.config.group for n in nodes if n.id.startswith("predict.library")}
    assert groups == {"text"}


def test_a_data_set_of_another_kind_of_target_is_refused(write):  # noqa: F811
    text = swap("label: library", "number: library", GOOD)
    assert (
        "stages.library.dataset: expected a data set with a label column for task "
        "classify, got 'libraries'"
    ) in "".join(faults(write(text)))
