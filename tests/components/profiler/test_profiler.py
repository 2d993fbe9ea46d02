"""Profiles of tiny documents, with their exact numbers."""

import json

import pytest

from tests.conftest import write_documents
from textmill.components.artifacts import Profile, Vocabulary
from textmill.components.base import Context
from textmill.components.profiler import (
    ProfileConfig,
    Profiler,
    ProfilerConfig,
    profile,
)
from textmill.components.profiler.anomalies import find_bad_records
from textmill.components.vocabulary_learner import VocabularyConfig, learn_vocabulary
from textmill.models.errors import ConfigError, DataError, IntegrityError
from textmill.pipeline.publish import seal


@pytest.fixture
def describe(tmp_path):
    """Profiles splits of documents and returns the artifact."""

    def apply(
        splits, *, name="profile", num_shards=2, beam=None, vocabulary=None, **config
    ):
        documents = write_documents(
            tmp_path / name / "d", splits, num_shards=num_shards
        )
        made = Profile(tmp_path / name / "p")
        profile(
            documents=documents,
            vocabulary=vocabulary,
            profile=made,
            config=ProfilerConfig(
                dataset="docs", profile=ProfileConfig(**{"top_terms": 2} | config)
            ),
            context=Context(beam=beam or {}),
        )
        return made

    return apply


def row(number, text, **columns):
    return {"id": f"{number}", "text": text, **columns}


def anomalies(made, *kinds):
    return {
        (found["kind"], found["where"], found["what"])
        for found in made.read()["anomalies"]
        if not kinds or found["kind"] in kinds
    }


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
        "unit": "words",
        "empty": 0,
        "repeated_texts": 1,
        "lengths": {
            "words": {
                "mean": 2.75,
                **{"min": 2, "p1": 2, "p5": 2, "p50": 2, "p95": 4, "p99": 4, "max": 4},
                "histogram": [{"from": 2, "below": 5, "documents": 4}],
            },
            "characters": {
                "mean": 10.5,
                **{"min": 8, "p1": 8, "p5": 8, "p50": 8},
                **{"p95": 13, "p99": 13, "max": 13},
                "histogram": [
                    {"from": 5, "below": 10, "documents": 2},
                    {"from": 10, "below": 20, "documents": 2},
                ],
            },
        },
        "labels": {"a": 2, "b": 2},
        "languages": {},
        "scripts": {"Latin": 4},
        "columns": {
            "label": {
                "types": {"string": 4},
                "present": 1.0,
                "distinct": 2,
                "top": [
                    {"value": "a", "documents": 2},
                    {"value": "b", "documents": 2},
                ],
            },
            "n": {
                "types": {"integer": 2, "number": 1},
                "present": 0.75,
                "distinct": 2,
                "top": [
                    {"value": "1", "documents": 2},
                    {"value": "1.5", "documents": 1},
                ],
                **{"min": 1, "max": 1.5, "mean": 1.16667},
                "histogram": [{"from": 1.0, "below": 2.0, "documents": 3}],
            },
        },
        "terms": 9,
        "top_terms": [{"term": "blue", "count": 4}, {"term": "boat", "count": 2}],
    }
    assert found["overlap"] == []
    assert "ledger" not in found


def test_anomalies_are_listed(describe):
    train = [row(n, f"text {n}", label="a", n=n) for n in range(84)]
    train += [row(100 + n, f"other {n}", label="bcdd"[n]) for n in range(4)]
    train += [row(200, " ", label="a", n="x")]
    test = [row(300 + n, f"text {n}", label="a") for n in range(3)]
    made = describe({"train": train, "test": test})
    assert anomalies(made) == {
        ("empty", "train", "1 documents without a word"),
        ("imbalance", "train", "label 'a' has 85 documents, label 'b' has 1"),
        ("types", "train", "column 'n' is integer or string"),
        ("small", "test", "3 documents, fewer than 50"),
        ("labels", "test", "label 'b' of train has no documents"),
        ("labels", "test", "label 'c' of train has no documents"),
        ("labels", "test", "label 'd' of train has no documents"),
        ("leakage", "test", "3 documents have a text that is in train"),
        ("leakage", "test", "100.0% of the 13-word sequences are in train"),
    }
    assert made.facts["splits"] == {"train": 89, "test": 3}
    counts = {"empty": 1, "imbalance": 1, "labels": 3, "leakage": 2}
    assert made.facts["anomalies"] == counts | {"small": 1, "types": 1}
    assert {found["severity"] for found in made.read()["anomalies"]} == {"warning"}


def test_sound_documents_have_no_anomalies(describe):
    rows = [row(n, f"text {n}", label="ab"[n % 2]) for n in range(120)]
    assert anomalies(describe({"train": rows[:60], "eval": rows[60:]})) == set()


def test_the_bytes_depend_on_the_documents_alone(describe, vocabulary):
    rows = [
        row(n, f"text {n} and {n % 7} 天地{n}", label="ab"[n % 2], n=n / 7)
        for n in range(90)
    ]
    in_memory = {"direct_running_mode": "in_memory", "direct_num_workers": 1}
    splits = {"train": rows[:60], "eval": rows[60:]}
    made = [
        describe(splits, name="a", vocabulary=vocabulary),
        describe(splits, name="b", vocabulary=vocabulary, num_shards=5),
        describe(splits, name="c", vocabulary=vocabulary, beam=in_memory),
    ]
    assert len({(file.path / Profile.FILE).read_bytes() for file in made}) == 1


def test_chinese_has_pairs_of_characters_and_no_words(describe):
    rows = [row(0, "今天天气好"), row(1, "天气 OK really, ok!")]
    found = describe({"train": rows}).read()["splits"]["train"]
    assert found["scripts"] == {"Han": 1, "Latin": 1}
    assert found["top_terms"] == [
        {"term": "ok", "count": 2},
        {"term": "天气", "count": 2},
    ]
    assert (found["words"], found["terms"], found["unit"]) == (5, 8, "words")
    han = describe({"train": rows[:1]}, name="han").read()["splits"]["train"]
    assert han["unit"] == "characters"


def test_languages_come_from_their_column(describe):
    rows = [row(n, "word", language="en" if n else "und") for n in range(4)]
    found = describe({"train": rows}).read()["splits"]["train"]
    assert found["languages"] == {"en": 3, "und": 1}


def test_null_counts_as_absent_and_lists_are_no_categories(describe):
    rows = [row(0, "a", x=None, y=[1]), row(1, "b", x=True, y=[2])]
    found = describe({"train": rows}).read()["splits"]["train"]["columns"]
    assert found["x"]["present"] == 0.5
    assert found["x"]["types"] == {"boolean": 1}
    assert found["y"] == {"types": {"list": 2}, "present": 1.0}


def test_very_many_values_are_not_listed_however_they_are_dealt_out(describe):
    rows = [row(n, "a", key=f"k{n}") for n in range(1001)]
    for shards in (1, 3):
        made = describe({"train": rows}, name=f"{shards}", num_shards=shards)
        key = made.read()["splits"]["train"]["columns"]["key"]
        assert key == {"types": {"string": 1001}, "present": 1.0}


def test_sequences_of_train_in_a_longer_text_leak(describe):
    borrowed = " ".join(f"word{n}" for n in range(25))
    train = [row(n, f"{n} {borrowed}") for n in range(2)]
    own = " ".join(f"own{n}" for n in range(25))
    made = describe({"train": train, "eval": [row(9, f"new {borrowed}, {own}")]})
    [overlap] = made.read()["overlap"]
    assert overlap == {
        "split": "eval",
        "of": "train",
        "documents": 0,
        "sequences": round(13 / 39, 6),
    }
    assert anomalies(made, "leakage") == {
        ("leakage", "eval", "33.3% of the 13-word sequences are in train")
    }


def test_repeated_texts_are_an_anomaly_beyond_their_share(describe):
    rows = [row(n, f"text {n % 80}") for n in range(100)]
    made = describe({"train": rows}, max_repeated=0.15)
    assert anomalies(made) == {
        ("repeats", "train", "20.0% of the documents repeat another's text")
    }
    assert anomalies(describe({"train": rows}, name="b", max_repeated=0.2)) == set()


def test_skew_is_measured_beyond_chance(describe):
    train = [row(n, f"text {n}", label="ab"[n % 2]) for n in range(1000)]
    test = [row(-n, f"text {-n}", label="abbb"[n % 4]) for n in range(1, 1001)]
    made = describe({"train": train, "test": test}, max_overlap=1.0)
    [skew] = [found for found in made.read()["measures"] if found["what"] == "labels"]
    assert (skew["kind"], skew["split"], skew["against"]) == ("skew", "test", "train")
    assert (skew["measure"], skew["value"]) == ("l_infinity", 0.25)
    assert skew["chance"] == 0.064952
    assert anomalies(made) == {
        (
            "skew",
            "test",
            "labels: L-infinity 0.250 from train, of which chance explains 0.065 and "
            "0.1 is allowed ('a' from 50.0% to 25.0%)",
        )
    }
    few = describe(
        {"train": train, "test": test[:40]},
        name="few",
        min_documents=0,
        max_overlap=1.0,
    )
    assert anomalies(few) == set()


def test_drift_is_measured_from_an_earlier_profile(describe):
    old = [row(n, f"small talk {n}", label="ab"[n % 2]) for n in range(400)]
    new = [row(n, f"a longer text of {n} " * 9, label="a") for n in range(400)]
    baseline = describe({"train": old}, name="old")
    made = describe({"train": new}, baseline=str(baseline.path))
    kinds = anomalies(made, "drift")
    assert sorted(what.split(":")[0] for _, _, what in kinds) == [
        "frequent words",
        "labels",
        "length in characters",
        "length in words",
    ]
    file = baseline.path / Profile.FILE
    same = describe({"train": old}, name="same", baseline=str(file))
    assert anomalies(same, "drift") == set()
    values = [m["value"] for m in same.read()["measures"] if m["kind"] == "drift"]
    assert len(values) == 5 and set(values) == {0.0}


def test_listed_kinds_end_the_run_in_a_sentence(describe):
    rows = [row(n, f"text {n}") for n in range(3)]
    with pytest.raises(DataError) as fault:
        describe({"train": [*rows, row(9, " ")]}, fail_on=("small", "drift"))
    assert str(fault.value) == (
        "datasets.docs.profile.fail_on: expected no anomalies of these kinds, got 1: "
        "small (train): 4 documents, fewer than 50; correct the data or the "
        "thresholds, or see the whole profile with `--until profile.docs --set "
        "datasets.docs.profile.fail_on=[]`"
    )


def test_tokens_are_measured_where_there_is_a_vocabulary(describe, vocabulary):
    rows = [row(0, "the river carries the river"), row(1, "river 天")]
    made = describe({"train": rows}, vocabulary=vocabulary, num_shards=1)
    tokens = made.read()["splits"]["train"]["tokens"]
    [unknown] = [t for t in tokens["frequent"] if t["token"] == "[UNK]"]
    assert (tokens["documents"], tokens["unknown"], unknown["count"]) == (2, 1, 1)
    assert tokens["bytes"] == 36
    assert tokens["tokens_a_word"] == round(tokens["tokens"] / 7, 6)
    assert tokens["entries"] == vocabulary.facts["size"]
    used = {t["token"] for t in tokens["frequent"]} - {"[UNK]"}
    assert tokens["unused_entries"] == tokens["entries"] - 5 - len(used)
    assert tokens["longest"][0]["token"] == max(used, key=len)
    [(_, where, what)] = anomalies(made, "unknown")
    share = tokens["unknown_share"]
    assert (where, what) == ("train", f"{share:.2%} of the tokens are unknown")


def test_the_sample_size_limits_tokenization(describe, vocabulary):
    rows = [row(n, "the river") for n in range(100)]
    made = describe({"train": rows}, vocabulary=vocabulary, sample_bytes=45)
    assert made.read()["splits"]["train"]["tokens"]["documents"] == 6
    made = describe({"train": rows}, name="0", vocabulary=vocabulary, sample_bytes=0)
    assert "tokens" not in made.read()["splits"]["train"]


def test_hostile_texts_are_counted(describe):
    texts = ["", "\u2028", "İİİİ x", "a" * 1_000_000, "天" * 100_000, "\U0010ffff é́"]
    rows = [row(n, text) for n, text in enumerate(texts)]
    found = describe({"train": rows}).read()["splits"]["train"]
    assert found["words"] == sum(len(text.split()) for text in texts)
    assert found["characters"] == sum(map(len, texts))
    assert found["empty"] == 2
    assert found["scripts"] == {"none": 2, "Latin": 3, "Han": 1}
    assert found["top_terms"][0] == {"term": "天天", "count": 99_999}


def test_shards_and_splits_without_documents_are_passed_over(describe):
    made = describe({"train": [row(0, "a word")], "eval": []}, num_shards=3)
    assert list(made.read()["splits"]) == ["train"]
    assert {where for _, where, _ in anomalies(made)} == {"train"}


def test_the_ledger_is_taken_over(describe, tmp_path):
    documents = write_documents(tmp_path / "d", {"train": [row(0, "a")]})
    ledger = {"read": 2, "kept": {"train": 1}, "dropped": {"too_short": 1}, "bad": {}}
    documents.file("ledger.json").write_text(json.dumps(ledger))
    seal(documents)
    made = Profile(tmp_path / "p")
    profile(
        documents=type(documents)(documents.path),
        profile=made,
        config=ProfilerConfig(),
        context=Context(),
    )
    assert made.read()["ledger"] == ledger


def test_a_share_of_bad_records_is_an_anomaly_beyond_that_of_the_baseline():
    def found(ledger, baseline=None, **config):
        config = ProfileConfig(**config)
        return [one.what for one in find_bad_records(ledger, baseline, config)]

    bad = {"read": 1000, "bad": {"ragged": 19, "nul": 1}}
    assert found(bad) == ["2.00% of the records are bad: 19 ragged, 1 nul"]
    assert found(bad, max_bad=0.02) == found({"read": 9000, "bad": {"nul": 9}}) == []
    assert found(bad, {"read": 50_000, "bad": {"ragged": 900}}) == []
    assert found(bad, {"read": 50_000, "bad": {}}) == [
        "2.00% of the records are bad, 0.00% in the baseline: 19 ragged, 1 nul"
    ]


def test_a_label_that_the_baseline_does_not_have_is_an_anomaly(describe):
    rows = [row(n, f"text {n}", label="ab"[n % 2]) for n in range(60)]
    baseline = str(describe({"train": rows}, name="old").path)
    found = describe({"train": [*rows, row(60, "c", label="'a'")]}, baseline=baseline)
    assert ("labels", "train", "label \"'a'\" is not in the baseline") in anomalies(
        found
    )
    same = describe({"train": rows}, name="same", baseline=baseline)
    assert anomalies(same, "labels") == set()


def test_what_a_profile_is_held_against_is_part_of_its_key(describe, tmp_path):
    schema = tmp_path / "schema.yaml"
    schema.write_text("format: 1\n")
    baseline = describe({"train": [row(0, "a")]}).path
    config = ProfileConfig(schema=str(schema), baseline=str(baseline))
    files = Profiler.external_files(ProfilerConfig(profile=config))
    assert files == [schema, baseline / Profile.FILE]
    absent = ProfileConfig(baseline=str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match=r"expected a profile\.json"):
        Profiler.external_files(ProfilerConfig(profile=absent))


def test_a_baseline_that_was_altered_is_refused(describe):
    rows = [row(0, "a b")]
    baseline = describe({"train": rows}, name="old")
    seal(baseline)
    file = baseline.path / Profile.FILE
    file.write_bytes(file.read_bytes().replace(b'"words"', b'"wOrds"', 1))
    with pytest.raises(IntegrityError, match=r"profile\.json: expected sha256"):
        describe({"train": rows}, baseline=str(baseline.path))
    other = baseline.path.parent / "other.json"
    other.write_text('{"splits": {}}')
    with pytest.raises(ConfigError, match="profile of format 2, got None"):
        describe({"train": rows}, name="x", baseline=str(other))


@pytest.mark.parametrize(
    ("name", "value"), [("max_linf", 1.5), ("top_terms", -1), ("max_imbalance", 0.5)]
)
def test_a_threshold_out_of_its_range_is_refused(name, value):
    with pytest.raises(ValueError, match=name):
        ProfileConfig(**{name: value})


def test_a_vocabulary_of_bytes_knows_everything(documents, tmp_path):
    from textmill.components.profiler.tokens import measure_tokens

    learned = Vocabulary(tmp_path / "pairs")
    config = VocabularyConfig(kind="bpe", size=300, learn_from="sentences")
    learn_vocabulary(
        documents=documents, vocabulary=learned, config=config, context=Context()
    )
    found, speed = measure_tokens(documents, learned, sample_bytes=10**6)
    train = found["train"]
    assert (train["unknown"], train["unknown_share"]) == (0, 0.0)
    assert train["entries"] == 300
    # All bytes that the sentences lack, and what was merged on the way to others.
    assert 200 < train["unused_entries"] < 256
    assert speed["bytes"] == sum(split["bytes"] for split in found.values())
    assert speed["seconds"] > 0
