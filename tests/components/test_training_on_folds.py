"""A fold is held out: no trainer reads it, and its rows are those of its documents."""

import numpy as np
import pytest

from tests.conftest import write_documents
from textmill.components.artifacts import Documents, TokenRows, TrainedModel
from textmill.components.base import Context
from textmill.components.fold_splitter import FoldSplitterConfig, split_folds
from textmill.components.linear_trainer import LinearTrainerConfig, train_linear
from textmill.components.tokenizer import RowLayout, tokenize
from textmill.models.errors import DataError
from textmill.models.rows import RowReader, RowSchema
from textmill.pipeline.publish import seal


@pytest.fixture(scope="module")
def folds(documents, tmp_path_factory):
    folds = Documents(tmp_path_factory.mktemp("folds"))
    config = FoldSplitterConfig(num_folds=3)
    split_folds(documents=documents, folds=folds, config=config)
    seal(folds)
    return folds


def test_a_fold_never_sees_its_own_rows(folds, vocabulary, tmp_path):
    rows = TokenRows(tmp_path)
    layout = RowLayout(sequence_length=24, target="label")
    tokenize(
        documents=folds,
        vocabulary=vocabulary,
        rows=rows,
        config=layout,
        context=Context(),
    )
    seal(rows)
    assert rows.splits == folds.splits
    everything = set()
    for fold in (1, 2, 3):
        trained = token_rows(rows, *rows.train_splits(fold))
        held_out = token_rows(rows, rows.held_out_split(fold))
        assert len(held_out) == folds.splits[f"fold_{fold}"]
        assert len(trained) == 80 - len(held_out)
        assert not trained & held_out
        everything |= held_out
    assert len(everything) == 80


def token_rows(rows, *splits):
    reader = RowReader(rows.shards(*splits), RowSchema.of(rows.facts))
    ids = reader.take(np.arange(len(reader)))["ids"]
    return {tuple(row) for row in ids.tolist()}


def trained_linear(documents, vocabulary, path, fold=None):
    model = TrainedModel(path)
    train_linear(
        documents=documents,
        vocabulary=vocabulary,
        model=model,
        config=LinearTrainerConfig(task="classify", fold=fold),
    )
    seal(model)
    return model.digest


def test_a_model_of_a_fold_is_that_of_the_other_folds(folds, vocabulary, tmp_path):
    splits = {"train": list(folds.read("fold_1", "fold_3"))}
    splits["eval"] = list(folds.read("fold_2"))
    others = write_documents(tmp_path / "others", splits, num_shards=1)
    expected = trained_linear(others, vocabulary, tmp_path / "a")
    assert trained_linear(folds, vocabulary, tmp_path / "b", fold=2) == expected


def test_a_fold_that_does_not_exist_is_refused(folds, vocabulary, tmp_path):
    with pytest.raises(DataError, match="expected a split fold_4, got fold_1, fold_2"):
        trained_linear(folds, vocabulary, tmp_path, fold=4)
