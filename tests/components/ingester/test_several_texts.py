"""Documents of two and three texts: read, cleaned, compared, split into folds."""

import pytest

from tests.components.ingester.test_ingester import (  # noqa: F401
    ALL_TRAIN,
    FORGIVING,
    dead_letters,
    ledger,
    read,
    run,
    write,
)
from tests.conftest import write_documents
from textmill.components.artifacts import Documents
from textmill.components.fold_splitter import FoldSplitterConfig, split_folds
from textmill.components.ingester.augment import AugmentConfig
from textmill.components.ingester.cleaning.config import CleanConfig
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.sampling.config import SplitConfig
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.profiler.statistics import Statistics
from textmill.models.errors import DataError

PAIR = {"id": "1", "premise": "A man sleeps.", "claim": "He is awake.", "label": "no"}


def source(path, **knobs):
    names = ("premise", "claim")
    return SourceConfig(jsonl=path, text=names, id="id", label="label", **knobs)


def test_a_pair_is_two_fields_cleaned_alike(run, write):  # noqa: F811
    row = PAIR | {"claim": "He  is awake: a@b.example", "mood": "calm"}
    clean = CleanConfig(whitespace="collapse", privacy="mask")
    documents = run(source(write(row)), split=ALL_TRAIN, clean=clean)
    [document] = read(documents).values()
    assert list(document) == ["id", "text", "text_2", "label", "mood"]
    assert document["text"] == "A man sleeps."
    assert document["text_2"].startswith("He is awake: ")
    assert "a@b.example" not in document["text_2"]
    assert documents.num_texts == documents.facts["texts"] == 2
    num_bytes = len("A man sleeps.") + len(document["text_2"].encode())
    assert documents.facts["text_bytes"] == {"train": num_bytes}


def test_three_texts_need_no_target(run, write):  # noqa: F811
    row = {"a": "anchor", "b": "like it", "c": "unlike it"}
    texts = SourceConfig(jsonl=write(row), text=("a", "b", "c"))
    documents = run(texts, split=ALL_TRAIN)
    [document] = read(documents).values()
    assert [document[k] for k in ("text", "text_2", "text_3")] == list(row.values())
    assert documents.num_texts == 3


def test_documents_of_one_text_have_the_facts_of_before(run, write):  # noqa: F811
    documents = run(
        SourceConfig(jsonl=write({"text": "a"}), text=("text",)), split=ALL_TRAIN
    )
    assert "texts" not in documents.facts and documents.num_texts == 1


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        ("", "no_text_2", "expected the second text of 2, got an empty one"),
        (None, "no_text_2", "expected the second text of 2, got none"),
        (7, "text_2_type", "expected a string, got int"),
    ],
)
def test_a_pair_with_one_side_missing_is_a_dead_letter_with_its_line(
    value,
    reason,
    detail,
    run,  # noqa: F811
    write,  # noqa: F811
):
    path = write(PAIR, PAIR | {"id": "2", "claim": value})
    documents = run(source(path), split=ALL_TRAIN, limits=FORGIVING)
    [letter] = dead_letters(documents)
    assert (letter["reason"], letter["line"]) == (reason, 2)
    assert letter["detail"] == f"column 'claim': {detail}"
    assert len(read(documents)) == 1


def test_pairs_without_their_second_side_end_the_run_in_a_sentence(run, write):  # noqa: F811
    rows = [PAIR | {"id": str(n), "claim": ""} for n in range(3)]
    path = write(PAIR, *rows)
    with pytest.raises(DataError) as error:
        run(source(path), split=ALL_TRAIN)
    message = str(error.value)
    assert f"{path}, line 2 (byte " in message
    assert "column 'claim': expected the second text of 2, got an empty" in message


def test_a_second_text_that_cleaning_empties_drops_the_document(run, write):  # noqa: F811
    path = write(PAIR, PAIR | {"id": "2", "claim": "<br/>"})
    clean = CleanConfig(markup="strip")
    documents = run(source(path), split=ALL_TRAIN, clean=clean)
    assert ledger(documents)["dropped"] == {"no_text_2": 1}


def test_only_pairs_equal_in_both_texts_are_duplicates(run, write):  # noqa: F811
    path = write(
        PAIR,
        PAIR | {"id": "2", "claim": "He rests."},
        PAIR | {"id": "3"},
    )
    documents = run(source(path), split=ALL_TRAIN, clean=CleanConfig(dedup="exact"))
    assert ledger(documents)["dropped"] == {"duplicate_text": 1}
    assert {d["text_2"] for d in read(documents).values()} == {
        "He is awake.",
        "He rests.",
    }


def test_near_duplicates_are_found_in_both_texts(run, write):  # noqa: F811
    words = " ".join(f"word{n}" for n in range(60))
    other = " ".join(f"other{n}" for n in range(60))
    path = write(
        PAIR | {"premise": words, "claim": words},
        PAIR | {"id": "2", "premise": words, "claim": f"{words} end"},
        PAIR | {"id": "3", "premise": words, "claim": other},
    )
    documents = run(source(path), split=ALL_TRAIN, clean=CleanConfig(dedup="near"))
    assert ledger(documents)["dropped"] == {"near_duplicate": 1}


def test_folds_keep_equal_pairs_together(tmp_path):
    rows = [
        {
            "id": f"{n}-{copy}",
            "text": "A man sleeps.",
            "text_2": " ".join(f"w{n}{i}" for i in range(9)),
            "label": "no",
        }
        for n in range(6)
        for copy in range(2)
    ]
    documents = write_documents(tmp_path / "documents", {"train": rows})
    folds = Documents(tmp_path / "folds")
    config = FoldSplitterConfig(num_folds=3)
    split_folds(documents=documents, folds=folds, config=config)
    held = [set(read(folds, f"fold_{k}")) for k in (1, 2, 3)]
    for n in range(6):
        assert sum(f"{n}-0" in ids and f"{n}-1" in ids for ids in held) == 1


def test_a_profile_counts_both_texts_and_takes_neither_for_a_column():
    statistics = Statistics()
    document = {"id": "1", "text": "One two", "text_2": "three four five", "n": 1}
    statistics.count([document, document | {"text_2": "six"}])
    assert list(statistics.columns) == ["n"]
    assert statistics.num_bytes == 23 + 11
    assert statistics.num_repeated() == 0


@pytest.mark.parametrize(
    ("columns", "got"), [((), "none"), (("a", "a"), "a, a"), (tuple("abcd"), "a, b")]
)
def test_a_document_has_one_to_three_different_texts(columns, got):
    with pytest.raises(ValueError, match=f"different columns as text, got {got}"):
        SourceConfig(jsonl="x", text=columns)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"augment": AugmentConfig(swap=0.1)}, "one text a document for augment"),
        ({"split": SplitConfig(by="position")}, "for split.by: position"),
    ],
)
def test_steps_that_change_one_text_refuse_pairs(parts, message):
    with pytest.raises(ValueError, match=message):
        DatasetConfig(source=source("x"), **parts)


def test_all_sources_have_the_same_number_of_texts():
    sources = {
        "a": SourceConfig(jsonl="x", text=("p", "q")),
        "b": SourceConfig(jsonl="y"),
    }
    with pytest.raises(ValueError, match="texts in every source, got 2 in a, 1 in b"):
        DatasetConfig(sources=sources)
