"""What is decided over all documents: near duplicates, repeats, mixtures, splits."""

from __future__ import annotations

import json

import orjson
import pytest

from textmill.components.artifacts import Documents
from textmill.components.base import Context
from textmill.components.ingester import IngesterConfig, ingest
from textmill.components.ingester.augment import AugmentConfig
from textmill.components.ingester.cleaning.config import CleanConfig
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.dedup.config import DecontaminateConfig, NearConfig
from textmill.components.ingester.filters import GopherQualityConfig, QualityConfig
from textmill.components.ingester.filters.language import LanguageConfig
from textmill.components.ingester.sampling.config import MixConfig, SplitConfig
from textmill.components.ingester.sources.config import SourceConfig
from textmill.pipeline.publish import seal

ALL_TRAIN = SplitConfig(train=1, eval=0)
NAMES = ("baker", "pilot", "doctor", "farmer", "teacher", "painter", "sailor", "judge")


def story(number: int, *, ending: str = "", length: int = 60) -> str:
    """Returns words that no other story has in this order."""
    words = [f"{NAMES[(number + i) % 8]}{number * 977 + i * i}" for i in range(length)]
    return " ".join(words) + ending


@pytest.fixture
def run(tmp_path):
    """Ingests rows, by source or of one, and returns the documents."""

    def apply(rows, *, folder="documents", against=None, options=None, **parts):
        by_source = rows if isinstance(rows, dict) else {"": rows}
        sources = {}
        for name, values in by_source.items():
            path = tmp_path / f"{folder}-{name}.jsonl"
            path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in values))
            more = (options or {}).get(name, {})
            sources[name] = SourceConfig(jsonl=str(path), id="id", **more)
        given = {"source": sources[""]} if "" in sources else {"sources": sources}
        documents = Documents(tmp_path / folder)
        ingest(
            documents=documents,
            against=against,
            config=IngesterConfig(dataset=DatasetConfig(**given, **parts)),
            context=Context(),
        )
        seal(documents)
        return documents

    return apply


def ids(documents, split="train"):
    return sorted(document["id"] for document in documents.read(split))


def by_id(documents):
    return {d["id"]: d for split in documents.splits for d in documents.read(split)}


def ledger(documents):
    return json.loads((documents.path / Documents.LEDGER).read_bytes())


def test_the_longest_of_near_duplicates_is_kept_in_any_order(run):
    rows = [
        {"id": "short", "text": story(1)},
        {"id": "long", "text": story(1, ending=" and so on.")},
        {"id": "other", "text": story(2)},
    ]
    clean = CleanConfig(dedup="near")
    first = run(rows, clean=clean, split=ALL_TRAIN)
    second = run(rows[::-1], folder="again", clean=clean, split=ALL_TRAIN)
    assert ids(first) == ids(second) == ["long", "other"]
    assert ledger(first)["dropped"] == {"near_duplicate": 1}
    assert first.digest == second.digest


def test_tagged_near_duplicates_share_a_cluster_and_a_split(run):
    rows = [
        {"id": f"{number}{kind}", "text": story(number, ending=f" {kind}")}
        for number in range(40)
        for kind in "abc"
    ]
    documents = run(
        rows,
        clean=CleanConfig(dedup="near", near=NearConfig(action="tag")),
        split=SplitConfig(train=0.5, eval=0.25, test=0.25),
    )
    places: dict[str, set[str]] = {}
    for split in documents.splits:
        for document in documents.read(split):
            places.setdefault(document["cluster"], set()).add(split)
    assert len(places) == 40
    assert all(len(splits) == 1 for splits in places.values())
    assert set(documents.splits) == {"train", "eval", "test"}
    assert documents.facts["columns"] == ["cluster"]


def test_verification_separates_documents_that_only_share_a_band(run):
    half = story(3, length=30)
    rows = [
        {"id": "a", "text": half + " " + story(4, length=5)},
        {"id": "b", "text": half + " " + story(5, length=5)},
    ]
    loose, strict = (NearConfig(bands=60, hashes=1, verify=v) for v in (None, 0.95))
    for near, kept in ((loose, 1), (strict, 2)):
        documents = run(
            rows,
            folder=f"kept{kept}",
            clean=CleanConfig(dedup="near", near=near),
            split=ALL_TRAIN,
        )
        assert len(ids(documents)) == kept


def test_a_paragraph_stands_in_one_document_only(run):
    shared = "This very paragraph is found on each of the pages here."
    rows = [{"id": str(n), "text": f"{story(n)}\n\n{shared}"} for n in range(3)]
    documents = run(
        rows, clean=CleanConfig(repeated_passages="paragraphs"), split=ALL_TRAIN
    )
    texts = [document["text"] for document in documents.read("train")]
    assert sum(shared in text for text in texts) == 1
    assert all(story(n) in " ".join(texts) for n in range(3))
    assert ledger(documents)["cut"] == {"repeated_paragraphs": 2}
    assert documents.facts["text_bytes"]["train"] == sum(map(len, texts))


def test_a_document_of_repeats_alone_is_dropped(run):
    rows = [{"id": n, "text": story(1)} for n in "ab"]
    documents = run(
        rows, clean=CleanConfig(repeated_passages="paragraphs"), split=ALL_TRAIN
    )
    assert len(ids(documents)) == 1
    assert ledger(documents)["dropped"] == {"repeated": 1}


@pytest.mark.parametrize("action", ["drop", "tag"])
def test_documents_of_an_evaluation_set_are_not_learned_from(run, action):
    benchmark = run(
        [{"id": "q", "text": story(7)}],
        folder="benchmark",
        split=SplitConfig(train=0, eval=0, test=1),
    )
    documents = run(
        [
            {"id": "leak", "text": f"They say: {story(7)}"},
            {"id": "clean", "text": story(8)},
        ],
        against={"benchmark": benchmark},
        decontaminate=DecontaminateConfig(against=("benchmark",), action=action),
        split=ALL_TRAIN,
    )
    if action == "drop":
        assert ids(documents) == ["clean"]
        assert ledger(documents)["dropped"] == {"contaminated": 1}
    else:
        tagged = {
            name: doc.get("contaminated") for name, doc in by_id(documents).items()
        }
        assert tagged == {"leak": True, "clean": None}


def mixture(first, second, **mix):
    rows = {
        name: [{"id": str(n), "text": story(n, ending=name)} for n in range(200)]
        for name in ("first", "second")
    }
    options = {"first": first, "second": second}
    return rows, {"options": options, "mix": MixConfig(**mix), "split": ALL_TRAIN}


def counts(documents):
    found = {"first": 0, "second": 0}
    for document in documents.read("train"):
        found[document["source"]] += 1
    return found


def test_rates_sample_the_other_source_down(run):
    rows, parts = mixture({"rate": 3.0}, {"rate": 1.0})
    found = counts(run(rows, **parts))
    assert found["first"] == 200
    assert 45 <= found["second"] <= 90


def test_epochs_repeat_documents_under_new_ids(run):
    rows, parts = mixture({"epochs": 2.0}, {"epochs": 0.5})
    documents = run(rows, **parts)
    found = counts(documents)
    assert found["first"] == 400
    assert 75 <= found["second"] <= 125
    names = ids(documents)
    assert len(set(names)) == len(names)
    assert "first/0" in names and "first/0#2" in names
    assert ledger(documents)["added"] == {"repeated": 200}


def test_a_mixture_is_the_same_again(run):
    rows, parts = mixture({"rate": 1.0}, {"rate": 1.0}, max_epochs=1.5)
    first = run(rows, **parts)
    rows = {name: values[::-1] for name, values in rows.items()}
    assert first.digest == run(rows, folder="again", **parts).digest


def test_splits_of_the_source_are_kept_and_eval_comes_out_of_train(run, tmp_path):
    for split, count in (("train", 300), ("test", 5)):
        lines = [orjson.dumps({"text": story(n, ending=split)}) for n in range(count)]
        (tmp_path / f"{split}.jsonl").write_bytes(b"\n".join(lines))
    documents = Documents(tmp_path / "documents")
    source = SourceConfig(
        jsonl={name: str(tmp_path / f"{name}.jsonl") for name in ("train", "test")}
    )
    dataset = DatasetConfig(source=source, split=SplitConfig(by="source"))
    ingest(
        documents=documents, config=IngesterConfig(dataset=dataset), context=Context()
    )
    splits = documents.facts["splits"]
    assert splits["test"] == 5
    assert splits["train"] + splits["eval"] == 300
    assert 12 <= splits["eval"] <= 52


def test_a_test_document_is_kept_before_its_near_duplicate_in_train(run, tmp_path):
    for split, text in (("train", story(1, ending=" longer")), ("test", story(1))):
        rows = [{"text": text}, {"text": story(hash_free(split))}]
        lines = b"\n".join(orjson.dumps(row) for row in rows)
        (tmp_path / f"{split}.jsonl").write_bytes(lines)
    documents = Documents(tmp_path / "documents")
    source = SourceConfig(
        jsonl={name: str(tmp_path / f"{name}.jsonl") for name in ("train", "test")}
    )
    dataset = DatasetConfig(
        source=source,
        clean=CleanConfig(dedup="near"),
        split=SplitConfig(by="source", train=1, eval=0),
    )
    ingest(
        documents=documents, config=IngesterConfig(dataset=dataset), context=Context()
    )
    assert documents.facts["splits"] == {"train": 1, "test": 2}


def hash_free(split: str) -> int:
    return {"train": 20, "test": 30}[split]


@pytest.mark.parametrize("action", ["mask", "drop", "tag"])
def test_personal_data_is_counted_and_handled(run, action):
    rows = [
        {"id": "mail", "text": "Write to anna.smith@posteo.de for the notes."},
        {"id": "none", "text": "Write to nobody for the notes."},
    ]
    documents = run(rows, clean=CleanConfig(privacy=action), split=ALL_TRAIN)
    assert ledger(documents)["personal"] == {"email": 1}
    found = by_id(documents)
    if action == "drop":
        assert list(found) == ["none"]
        assert ledger(documents)["dropped"] == {"personal": 1}
    elif action == "tag":
        assert found["mail"]["personal"] == "email"
        assert "personal" not in found["none"]
    else:
        assert found["mail"]["text"] == "Write to <EMAIL> for the notes."


def test_other_languages_and_poor_texts_are_dropped_with_a_reason(run):
    rows = [
        {"id": "zh", "text": "今天天气很好，我们去公园散步。孩子们在草地上玩耍。"},
        {"id": "en", "text": "The weather is fine today and we walk in the park."},
    ]
    clean = CleanConfig(language=LanguageConfig(keep=("zh",), method="script"))
    documents = run(rows, clean=clean, split=ALL_TRAIN)
    assert {k: v["language"] for k, v in by_id(documents).items()} == {"zh": "zh"}
    assert ledger(documents)["dropped"] == {"language": 1}
    clean = CleanConfig(quality=QualityConfig(gopher_quality=GopherQualityConfig()))
    rows.append({"id": "good", "text": "The one who has that is with you. " * 10})
    documents = run(rows, folder="quality", clean=clean, split=ALL_TRAIN)
    assert ids(documents) == ["good"]
    assert all(
        reason.startswith("gopher_quality:") for reason in ledger(documents)["dropped"]
    )


def test_train_alone_gets_changed_copies_under_ids_of_their_own(run):
    rows = [{"id": str(n), "text": story(n), "kind": "ab"[n % 2]} for n in range(40)]
    parts = {
        "options": {"": {"label": "kind"}},
        "augment": AugmentConfig(copies=2, swap=0.2),
        "split": SplitConfig(train=0.5, eval=0.5),
    }
    documents = run(rows, **parts)
    found = by_id(documents)
    originals = [name for name in ids(documents) if "~" not in name]
    assert ledger(documents)["added"] == {"augmented": 2 * len(originals)}
    assert not any("~" in name for name in ids(documents, "eval"))
    for name in originals:
        for copy in (1, 2):
            changed = found[f"{name}~{copy}"]
            assert changed["text"] != found[name]["text"]
            assert sorted(changed["text"].split()) == sorted(
                found[name]["text"].split()
            )
            assert changed["label"] == found[name]["label"]
    assert documents.digest == run(rows[::-1], folder="again", **parts).digest
