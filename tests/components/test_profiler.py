"""Profiles of tiny documents, with their exact numbers."""

import pytest

from components.artifacts import Profile
from components.base import Context
from components.profiler import ProfilerConfig, profile
from tests.conftest import write_documents


@pytest.fixture
def describe(tmp_path):
    """Profiles splits of documents and returns the artifact."""

    def apply(splits, *, name="profile", num_shards=2, beam=None):
        documents = write_documents(
            tmp_path / name / "d", splits, num_shards=num_shards
        )
        made = Profile(tmp_path / name / "p")
        profile(
            documents=documents,
            profile=made,
            config=ProfilerConfig(top_terms=2),
            context=Context(beam=beam or {}),
        )
        return made

    return apply


def row(number, text, **columns):
    return {"id": f"{number}", "text": text, **columns}


def test_a_split_is_counted(describe):
    rows = [
        row(0, "The blue Boat", label="a", n=1),
        row(1, "a blue boat é", label="a", n=1.5),
        row(2, "the blue", label="b"),
        row(3, "the blue", label="b", n=1),
    ]
    found = describe({"train": rows}).read()
    assert found["splits"]["train"] == {
        "documents": 4,
        "bytes": 43,
        "characters": 42,
        "words": 11,
        "repeated_texts": 1,
        "lengths": [
            {"from": 2, "below": 5, "documents": 4},
        ],
        "labels": {"a": 2, "b": 2},
        "top_terms": [{"term": "blue", "count": 4}, {"term": "boat", "count": 2}],
        "distinct": {"n": 2},
    }
    assert found["schema"] == {
        "columns": {"n": {"present": 0.75, "types": {"integer": 2, "number": 1}}},
        "labels": ["a", "b"],
        "max_distinct": 1000,
    }


def warnings(made):
    return {(found["where"], found["what"]) for found in made.read()["anomalies"]}


def test_what_looks_wrong_is_listed(describe):
    train = [row(n, f"text {n}", label="a", n=n) for n in range(84)]
    train += [row(100 + n, f"other {n}", label="bcdd"[n]) for n in range(4)]
    train += [row(200, " ", label="a", n="x")]
    test = [row(300 + n, f"text {n}", label="a") for n in range(3)]
    made = describe({"train": train, "test": test})
    assert warnings(made) == {
        ("train", "1 documents without a word"),
        ("train", "label 'a' has 85 documents, label 'b' has 1"),
        ("train", "column 'n' is integer or string"),
        ("test", "3 documents, fewer than 50"),
        ("test", "label 'b' of train has no documents"),
        ("test", "label 'c' of train has no documents"),
        ("test", "label 'd' of train has no documents"),
        ("test", "3 documents have a text that is in train"),
    }
    assert made.facts == {"splits": {"train": 89, "test": 3}, "anomalies": 8}
    assert {found["severity"] for found in made.read()["anomalies"]} == {"warning"}


def test_sound_documents_have_no_anomalies(describe):
    rows = [row(n, f"text {n}", label="ab"[n % 2]) for n in range(120)]
    assert warnings(describe({"train": rows[:60], "eval": rows[60:]})) == set()


def test_the_bytes_depend_on_the_documents_alone(describe):
    rows = [row(n, f"text {n} and {n % 7}", label="ab"[n % 2]) for n in range(90)]
    in_memory = {"direct_running_mode": "in_memory", "direct_num_workers": 1}
    splits = {"train": rows[:60], "eval": rows[60:]}
    made = [
        describe(splits, name="a"),
        describe(splits, name="b", num_shards=5),
        describe(splits, name="c", beam=in_memory),
    ]
    assert len({(file.path / Profile.FILE).read_bytes() for file in made}) == 1
