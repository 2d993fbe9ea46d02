"""Tiny real artifacts, written as their executors write them and sealed."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import orjson
import pytest
import zstandard

from tests.pipeline.loopback import Service, serving
from textmill.components.artifacts import SPLITS, Documents, Vocabulary, shard_name
from textmill.components.base import Artifact
from textmill.components.vocabulary_learner import VocabularyConfig, learn_vocabulary
from textmill.models.optional_imports import skip_optional_imports
from textmill.pipeline.publish import seal

# Test files import Keras, too.
skip_optional_imports()

DATA = Path(__file__).parents[2] / "shared" / "data"

_SUBJECTS = (
    "the river",
    "a small boat",
    "the old bridge",
    "our neighbour",
    "the baker",
)
_VERBS = ("carries", "watches", "remembers", "follows", "paints")
_OBJECTS = ("the morning light", "a heavy basket", "two brown dogs", "warm bread")


def pytest_collection_finish() -> None:
    """Spares the garbage collector the objects of all imports: a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the slow files of ``tests/pipeline`` first, so that workers end together."""
    items.sort(key=lambda item: item.path, reverse=True)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data, which not every checkout has."""
    if not DATA.is_dir():
        pytest.skip("the folder of real data is not next to this checkout")
    return DATA


def write_documents(
    path: Path, splits: dict[str, Iterable[dict[str, Any]]], *, num_shards: int = 2
) -> Documents:
    """Writes and seals documents, dealt to shards in turn."""
    documents = Documents(path)
    rows = {split: list(values) for split, values in splits.items()}
    for split, values in rows.items():
        for i in range(num_shards):
            name = shard_name(split, i, num_shards, "jsonl.zst")
            lines = b"".join(orjson.dumps(v) + b"\n" for v in values[i::num_shards])
            documents.file(name).write_bytes(zstandard.ZstdCompressor().compress(lines))
            documents.records[name] = len(values[i::num_shards])
    labels = {v["label"] for v in rows["train"] if "label" in v}
    documents.facts = {
        "splits": {s: len(rows[s]) for s in SPLITS if s in rows},
        "labels": sorted(labels),
        "columns": [],
        "text_bytes": {
            s: sum(len(v["text"].encode()) for v in values)
            for s, values in rows.items()
        },
    }
    seal(documents)
    return documents


def sentences() -> list[dict[str, str]]:
    """Returns 100 labelled sentences; the verb tells the label."""
    return [
        {"id": f"{s}{v}{o}", "text": f"{subject} {verb} {thing}.", "label": verb[:2]}
        for s, subject in enumerate(_SUBJECTS)
        for v, verb in enumerate(_VERBS)
        for o, thing in enumerate(_OBJECTS)
    ]


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    """100 labelled sentences: 60 train, 20 eval, 20 test."""
    rows = sentences()
    folder = tmp_path_factory.mktemp("documents")
    order = sorted(rows, key=lambda row: hash_of(row["id"]))
    splits = {"train": order[:60], "eval": order[60:80], "test": order[80:]}
    return write_documents(folder, splits)


def hash_of(text: str) -> str:
    """Returns a stable hash to shuffle by."""
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture(scope="session")
def vocabulary(
    documents: Documents, tmp_path_factory: pytest.TempPathFactory
) -> Vocabulary:
    """A WordPiece vocabulary of 80 entries, learned from the sentences."""
    from textmill.components.base import Context

    learned = Vocabulary(tmp_path_factory.mktemp("vocabulary"))
    learn_vocabulary(
        documents=documents,
        vocabulary=learned,
        config=VocabularyConfig(size=80, learn_from="sentences"),
        context=Context(),
    )
    seal(learned)
    return learned


@pytest.fixture
def sealed() -> Callable[[Artifact], Artifact]:
    """Seals an artifact and returns it."""

    def apply(artifact: Artifact) -> Artifact:
        seal(artifact)
        return artifact

    return apply


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """The server of this machine that gs:// and s3:// lead to."""
    from s3fs import S3FileSystem

    with serving() as service:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", service.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL", service.url + "/s3")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        S3FileSystem.clear_instance_cache()
        yield service
