"""Folds: documents that belong together, even labels, and the same folds every time."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from tests.conftest import sentences, write_documents
from textmill.components.artifacts import Documents
from textmill.components.fold_splitter import FoldSplitterConfig, split_folds
from textmill.components.fold_splitter.engine import assign_folds
from textmill.models.errors import DataError
from textmill.pipeline.publish import seal

LONG = "the committee met on tuesday to discuss the budget of the new library and voted"


def split(
    path: Path, splits: dict[str, list[dict[str, str]]], *, num_shards: int = 2, **knobs
) -> Documents:
    folds = Documents(path / "folds")
    documents = write_documents(path / "documents", splits, num_shards=num_shards)
    config = FoldSplitterConfig(**{"num_folds": 4} | knobs)
    split_folds(documents=documents, folds=folds, config=config)
    seal(folds)
    return folds


def folds_of(folds: Documents) -> dict[str, str]:
    return {d["id"]: name for name in folds.folds for d in folds.read(name)}


@pytest.fixture
def rows() -> list[dict[str, str]]:
    """100 sentences of five labels, of five words or so each: no two are alike."""
    return sentences()


def test_every_labelled_document_of_train_and_eval_is_in_one_fold(rows, tmp_path):
    unlabelled = {"id": "none", "text": "a text without a label"}
    splits = {"train": [*rows[:60], unlabelled], "eval": rows[60:80], "test": rows[80:]}
    folds = split(tmp_path, splits)
    assert list(folds.splits) == ["fold_1", "fold_2", "fold_3", "fold_4", "test"]
    assert sorted(folds_of(folds)) == sorted(row["id"] for row in rows[:80])
    assert [d["id"] for d in folds.read("test")] == [
        d["id"] for d in Documents(tmp_path / "documents").read("test")
    ]
    sizes = folds.facts["text_bytes"]
    for name, count in folds.splits.items():
        documents = list(folds.read(name))
        assert len(documents) == count
        assert sum(len(d["text"]) for d in documents) == sizes[name]
    assert "1 documents without a label left out" in folds.note()


def test_duplicates_and_near_duplicates_are_in_one_fold(rows, tmp_path):
    planted = {
        "original": f"{LONG} for more opening hours",
        "same": f"{LONG.upper()}   for more opening hours",
        "near": f"{LONG} for many more opening hours",
        "near-near": f"{LONG} for many more opening days",
    }
    kin = [{"id": i, "text": t, "label": rows[0]["label"]} for i, t in planted.items()]
    folds = split(tmp_path, {"train": rows[:60] + kin[:2], "eval": rows[60:] + kin[2:]})
    by_id = folds_of(folds)
    assert len({by_id[name] for name in planted}) == 1
    assert folds.facts["folds"]["duplicates"] == 3


def test_a_group_is_in_one_fold(rows, tmp_path):
    for number, row in enumerate(rows):
        row["author"] = str(number % 9)
    folds = split(tmp_path, {"train": rows}, group_by="author")
    for author in range(9):
        names = [
            n for n in folds.folds for d in folds.read(n) if d["author"] == str(author)
        ]
        assert len(set(names)) == 1
    assert folds.facts["folds"]["groups"] == 9


def test_folds_depend_on_seed_and_documents_but_on_no_order(rows, tmp_path):
    first = folds_of(split(tmp_path / "a", {"train": rows}))
    moved = {"train": rows[::-1][:70], "eval": rows[::-1][70:]}
    assert folds_of(split(tmp_path / "b", moved, num_shards=3)) == first
    assert folds_of(split(tmp_path / "c", {"train": rows}, seed=18)) != first


@pytest.mark.parametrize(
    ("num_groups", "num_labels"), [(20, 3), (60, 7), (400, 4), (900, 2)]
)
def test_labels_are_as_even_as_those_of_scikit_learn(num_groups, num_labels):
    generator = np.random.default_rng(num_groups)
    codes = generator.zipf(1.5, 900) % num_groups
    groups = np.unique(codes, return_inverse=True)[1]
    labels = generator.choice(num_labels, 900, p=skewed(num_labels))
    fold = assign_folds(labels, groups, num_labels=num_labels, num_folds=5)[groups]
    oracle = np.empty(900, np.int64)
    splitter = StratifiedGroupKFold(5)
    for number, (_, held_out) in enumerate(splitter.split(labels, labels, groups)):
        oracle[held_out] = number
    assert unevenness(labels, fold) <= unevenness(labels, oracle) + 0.003


def unevenness(labels: np.ndarray, folds: np.ndarray) -> float:
    """Returns the mean deviation of the folds' shares of a label, over labels."""
    table = np.zeros((5, labels.max() + 1))
    np.add.at(table, (folds, labels), 1)
    return float((table / table.sum(axis=0)).std(axis=0).mean())


def skewed(size: int) -> np.ndarray:
    weights = 1.0 / np.arange(1, size + 1)
    return weights / weights.sum()


def test_too_few_groups_are_refused_and_a_rare_label_is_noted(rows, tmp_path):
    for row in rows:
        row["author"] = row["label"]
    with pytest.raises(DataError, match=r"expected 6 groups of labelled .*, got 5;"):
        split(tmp_path / "a", {"train": rows}, group_by="author", num_folds=6)
    rare = [{**rows[0], "id": "x", "text": LONG, "label": "rare"}]
    folds = split(tmp_path / "b", {"train": rows + rare})
    assert folds.note() == ("101 groups in 4 folds; fewer groups than folds have rare")
