"""Labels: missing ones, other spellings, allowed names, and rare ones."""

from __future__ import annotations

import json

import pytest

from textmill.components.artifacts import Documents
from textmill.components.base import Context
from textmill.components.ingester import IngesterConfig, ingest
from textmill.components.ingester.cleaning.config import CleanConfig
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.dedup.config import NearConfig
from textmill.components.ingester.labels import LabelsConfig
from textmill.components.ingester.readers.records import LimitsConfig, name_classes
from textmill.components.ingester.sampling.config import SplitConfig
from textmill.components.ingester.sources.config import SourceConfig
from textmill.models.errors import DataError
from textmill.models.targets import TARGETS
from textmill.pipeline.publish import seal

ALL_TRAIN = SplitConfig(train=1, eval=0)
FORGIVING = LimitsConfig(max_bad_fraction=1)


@pytest.fixture
def run(tmp_path):
    """Ingests rows of JSON lines and returns the documents."""

    def apply(
        rows,
        *,
        keep=False,
        folder="documents",
        key="label",
        limit_per_label=None,
        **parts,
    ):
        path = tmp_path / f"{folder}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        options = {key: "of", "limit_per_label": limit_per_label}
        source = SourceConfig(jsonl=str(path), id="id", **options)
        documents = Documents(tmp_path / folder)
        parts.setdefault("split", ALL_TRAIN)
        dataset = DatasetConfig(source=source, **parts)
        config = IngesterConfig(dataset=dataset, keep_unlabelled=keep)
        ingest(documents=documents, config=config, context=Context())
        seal(documents)
        return documents

    return apply


def rows_with(*labels):
    """Returns a row for each label; ... leaves the column out."""
    rows = [{"id": f"d{n}", "text": f"note {n}"} for n in range(len(labels))]
    for row, label in zip(rows, labels, strict=True):
        if label is not ...:
            row["of"] = label
    return rows


def labels_of(documents, split="train"):
    return {row["id"]: row.get("label") for row in documents.read(split)}


UNLABELLED = rows_with("a", "b", "", " ", None, ..., -1, "n/a")
MISSING = LabelsConfig(missing=(-1, "n/a"))


def test_rows_without_a_label_are_dropped_with_a_reason(run):
    documents = run(UNLABELLED, labels=MISSING)
    assert labels_of(documents) == {"d0": "a", "d1": "b"}
    assert documents.ledger == {
        "read": 8,
        "kept": {"train": 2},
        "dropped": {"no_label": 6},
        "bad": {},
    }
    assert documents.note() == "of 8 records dropped 6 no_label"


def test_rows_without_a_label_are_kept_for_tasks_that_need_none(run):
    documents = run(UNLABELLED, labels=MISSING, keep=True)
    kept = labels_of(documents)
    assert len(kept) == 8
    assert {id for id, label in kept.items() if label} == {"d0", "d1"}
    assert documents.labels == ["a", "b"]
    assert documents.ledger["unlabelled"] == {"train": 6}


def test_limits_and_rare_labels_leave_unlabelled_documents_alone(run):
    rows = rows_with("a", "a", "b", *[None] * 5)
    labels = LabelsConfig(rare="drop")
    kept = labels_of(run(rows, keep=True, limit_per_label=1, labels=labels))
    assert sorted(map(str, kept.values())) == ["None"] * 5 + ["a", "b"]


def test_minus_one_is_a_label_without_a_rule_and_none_for_named_classes(run):
    assert run(rows_with("a", -1)).labels == ["-1", "a"]
    assert name_classes({"of": -1}, {"of": ("no", "yes")}) == {"of": None}


def test_of_equal_texts_the_labelled_one_stays(run):
    rows = rows_with(None, None, "a", "b")
    for row in rows[:3]:
        row["text"] = "the same"
    clean = CleanConfig(dedup="exact")
    assert labels_of(run(rows, keep=True, clean=clean)) == {"d2": "a", "d3": "b"}


def test_values_for_no_label_are_compared_as_they_are_read(run):
    rows = rows_with(-1.0, " n/a", 2.5, "-1")
    documents = run(rows, key="number", labels=MISSING)
    assert [row["number"] for row in documents.read("train")] == [2.5]
    assert documents.ledger["dropped"] == {"no_number": 3}
    lists = run(
        rows_with(["a", " "], ["a"]), key="labels", limits=FORGIVING, folder="s"
    )
    assert lists.ledger["bad"] == {"label_not_allowed": 1}


@pytest.mark.parametrize(
    ("key", "value"), [("number", None), ("number", "NaN"), ("target_text", "")]
)
def test_other_targets_can_be_missing_too(run, key, value):
    good = {"number": 1, "target_text": "other"}[key]
    documents = run(rows_with(good, value), key=key)
    assert documents.ledger["dropped"] == {f"no_{key}": 1}


def test_a_column_without_any_label_is_most_likely_another_one(run):
    rows = [{"id": str(n), "text": f"t{n}", "off": "a"} for n in range(3)]
    with pytest.raises(DataError) as error:
        run(rows)
    assert str(error.value).endswith(
        "expected a label in column 'of' of some records, found none in 3: expected "
        "column 'of', found 'id', 'text', 'off'; did you mean 'off'?"
    )


def test_one_meaning_in_several_types_is_one_label(run):
    documents = run(rows_with("Billing ", "Billing", " Billing"))
    assert documents.labels == ["Billing"]
    documents = run(rows_with(True, "true ", 1, 1.0, "1"), folder="types")
    assert documents.labels == ["1", "true"]
    documents = run(
        rows_with("a ", "a"), folder="raw", labels=LabelsConfig(strip=False)
    )
    assert documents.labels == ["a", "a "]


def test_names_are_mapped_after_they_are_stripped(run):
    labels = LabelsConfig(map={"tecnical": "technical", "B ": "b", "True": "true"})
    documents = run(rows_with("tecnical ", "B ", "technical", "True"), labels=labels)
    assert documents.labels == ["b", "technical", "true"]
    several = run(
        rows_with(["tecnical", "technical"]), key="labels", folder="s", labels=labels
    )
    assert [row["labels"] for row in several.read("train")] == [["technical"]]


def test_a_name_that_is_not_allowed_is_a_bad_record(run):
    labels = LabelsConfig(allow=("billing", "technical"))
    rows = rows_with("billing", "technical", "tecnical ")
    documents = run(rows, labels=labels, limits=FORGIVING)
    assert documents.labels == ["billing", "technical"]
    [letter] = (documents.path / Documents.DEAD_LETTERS).read_text().splitlines()
    assert json.loads(letter)["reason"] == "label_not_allowed"
    assert json.loads(letter)["detail"] == (
        "column 'of': expected 'billing', 'technical', got 'tecnical'; did you mean "
        "'technical'?"
    )


RARE = rows_with(*"abcdefgh" * 5)
HALVES = {"train": 0.5, "eval": 0.5, "by": "part"}
for number, row in enumerate(RARE):
    row["part"] = "pq"[number % 2] if row["of"] in "ab" else f"x{row['of']}"


@pytest.mark.parametrize("rare", ["train", "drop"])
def test_labels_that_the_split_leaves_out_of_train_move_there_or_go(run, rare):
    with pytest.raises(DataError, match=r"let labels\.rare move them to train or drop"):
        run(RARE, split=SplitConfig(**HALVES), folder="fail")
    documents = run(RARE, split=SplitConfig(**HALVES), labels=LabelsConfig(rare=rare))
    learned = set(labels_of(documents).values())
    assert learned == set(documents.labels)
    assert set(labels_of(documents, "eval").values()) <= learned
    num_dropped = documents.ledger["dropped"].get("rare_label", 0)
    if rare == "train":
        assert (learned, num_dropped) == (set("abcdefgh"), 0)
        parts = [
            {row["part"] for row in documents.read(split)} for split in documents.splits
        ]
        assert not set.intersection(*parts) or len(parts) == 1
    else:
        assert num_dropped == 5 * (8 - len(learned)) > 0


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"labels": {"missing": (-1,)}, "key": "id"}, "a target column in the source"),
        (
            {"labels": {"allow": ("a",), "map": {"x": "aa"}}},
            "a name of allow as the label for 'x' in map, got 'aa'; did you mean 'a'?",
        ),
        ({"labels": {"map": {"x": ""}}}, "missing lists the others"),
        (
            {
                "labels": {"rare": "train"},
                "clean": CleanConfig(dedup="near", near=NearConfig(action="tag")),
            },
            "fail or drop as labels.rare with clean.near.action: tag, got train",
        ),
    ],
)
def test_rules_that_cannot_hold_are_refused(parts, message):
    key = parts.pop("key", "label")
    with pytest.raises(ValueError) as error:
        DatasetConfig(
            source=SourceConfig(jsonl="x", **{key: "of"}),
            **parts | {"labels": LabelsConfig(**parts["labels"])},
        )
    assert message in str(error.value)


def test_text_of_white_space_is_no_target_and_an_empty_list_is_one():
    assert TARGETS["label"].is_missing(" \n")
    assert not TARGETS["labels"].is_missing([])
    assert TARGETS["number"].is_missing(float("nan"))
    assert not TARGETS["number"].is_missing(0)
