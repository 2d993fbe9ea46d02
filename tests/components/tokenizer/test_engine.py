"""The tokenizer's verb: the same rows however it is run, and no token uncounted."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import write_documents
from textmill.components.artifacts import Documents, TokenRows, Vocabulary
from textmill.components.base import Context
from textmill.components.ingester import Ingester, IngesterConfig
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.sampling.config import SplitConfig
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.tokenizer import RowLayout, tokenize
from textmill.components.vocabulary_learner import VocabularyConfig, learn_vocabulary
from textmill.models.errors import DataError, IntegrityError
from textmill.models.rows import RowReader, RowSchema
from textmill.models.tokenizers import load_tokenizer
from textmill.pipeline.publish import seal

WORKER = "apache_beam.runners.worker.sdk_worker_main"
SHAPES = {
    "pad": {"packing": "pad", "target": "label"},
    "concat": {"packing": "concat", "words": "tokens"},
    "gpt": {"packing": "concat", "start": False, "next_token": True, "overlap": 1},
    "best_fit": {"packing": "best_fit", "words": "jieba"},
    "sentence_pair": {"packing": "sentence_pair", "dupe_factor": 2, "seed": 3},
    "response": {"packing": "response", "prompt": "asked", "next_token": True},
}
SENTENCES = (
    "The mill grinds wheat.",
    "Boats pass the old bridge!",
    "河边的老磨坊磨着小麦。",
    "Who bakes the bread?",
)


def lines():
    for n in range(400):
        text = " ".join(SENTENCES[(n + i) % 4] for i in range(n % 9 + 1))
        row = {"id": f"d{n}", "text": text, "asked": f"Number {n}?", "of": f"l{n % 2}"}
        yield json.dumps(row, ensure_ascii=False) + "\n"


def ingest(folder, order):
    """Ingests the lines from two files, in their order or the reverse."""
    rows = list(lines())[::order]
    for part in range(2):
        (folder / f"part{part}.jsonl").write_text("".join(rows[part::2]))
    documents = Documents(folder / "documents")
    config = DatasetConfig(
        source=SourceConfig(jsonl=(str(folder / "*.jsonl"),), id="id", label="of"),
        split=SplitConfig(train=0.8, eval=0.2, test=0.0),
        num_shards=3,
    )
    Ingester.executor(
        documents=documents,
        against={},
        config=IngesterConfig(dataset=config, seed=5),
        context=Context(),
    )
    seal(documents)
    return documents


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return ingest(tmp_path_factory.mktemp("corpus"), 1)


@pytest.fixture(scope="module")
def entries(corpus, tmp_path_factory):
    learned = Vocabulary(tmp_path_factory.mktemp("entries"))
    config = VocabularyConfig(size=72, learn_from="x")
    learn_vocabulary(
        documents=corpus, vocabulary=learned, config=config, context=Context()
    )
    seal(learned)
    return learned


def rows_of(documents, vocabulary, folder, *, beam=None, **knobs):
    rows = TokenRows(folder)
    tokenize(
        documents=documents,
        vocabulary=vocabulary,
        rows=rows,
        config=RowLayout(**{"sequence_length": 16, **knobs}),
        context=Context(beam=beam or {}),
    )
    seal(rows)
    return rows


@pytest.fixture(scope="module")
def expected(corpus, entries, tmp_path_factory):
    """Returns the rows of a shape, made by one worker."""
    made = {}

    def find(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            one = {"direct_num_workers": 1, "direct_running_mode": "in_memory"}
            made[name] = rows_of(corpus, entries, folder, beam=one, **SHAPES[name])
        return made[name]

    return find


@pytest.mark.parametrize("shape", SHAPES)
def test_workers_change_no_byte(shape, expected, corpus, entries, tmp_path):
    beam = {"direct_num_workers": 4}
    found = rows_of(corpus, entries, tmp_path / "rows", beam=beam, **SHAPES[shape])
    assert found.digest == expected(shape).digest


@pytest.mark.parametrize("shape", ["best_fit", "sentence_pair"])
def test_the_order_of_source_files_changes_no_byte(shape, expected, entries, tmp_path):
    documents = ingest(tmp_path, -1)
    found = rows_of(documents, entries, tmp_path / "rows", **SHAPES[shape])
    assert found.digest == expected(shape).digest


@pytest.mark.slow
def test_processes_and_a_portable_runner_change_no_byte(
    expected, corpus, entries, tmp_path, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3] / ".ci/typing"))
    portable = {
        "runner": "PortableRunner",
        "job_endpoint": "embed",
        "environment_type": "beam:env:harness_subprocess_python:v1",
        "environment_config": f"{sys.executable} -m {WORKER}",
    }
    processes = {"direct_running_mode": "multi_processing", "direct_num_workers": 2}
    for name, beam in (("portable", portable), ("processes", processes)):
        folder = tmp_path / name
        found = rows_of(corpus, entries, folder, beam=beam, **SHAPES["best_fit"])
        assert found.digest == expected("best_fit").digest


def reader_of(rows, split):
    return RowReader(rows.shards(split), RowSchema.of(rows.facts))


def columns_of(rows, split):
    reader = reader_of(rows, split)
    return reader.take(np.arange(len(reader)))


@pytest.mark.parametrize("shape", ["concat", "gpt", "best_fit"])
def test_every_token_of_every_document_is_in_a_row(shape, expected, corpus, entries):
    tokenizer = load_tokenizer(entries.path)
    rows = expected(shape)
    specials = tokenizer.specials
    for split in ("train", "eval"):
        texts = [document["text"] for document in corpus.read(split)]
        wanted = tokenizer(tf.constant(texts)).flat_values.numpy()
        found = columns_of(rows, split)["ids"].reshape(-1)
        counts = rows.facts["tokens"][split]
        assert counts["dropped"] == 0
        assert (
            counts["in"]
            == counts["out"]
            == len(wanted) + len(texts) * (shape != "best_fit")
        )
        size = tokenizer.size
        theirs, ours = (np.bincount(x, minlength=size) for x in (wanted, found))
        if shape == "gpt":  # The last token of a row is also the first of the next.
            assert (ours >= theirs)[5:].all()
        else:
            np.testing.assert_array_equal(ours[5:], theirs[5:])
        assert specials.unknown is not None
        assert ours[specials.unknown] >= theirs[specials.unknown]


def test_pad_reports_dropped_tokens(expected):
    counts = expected("pad").facts["tokens"]["train"]
    assert counts["dropped"] > 0
    assert counts["in"] == counts["out"] + counts["dropped"]
    assert 0 < counts["truncated"] < counts["documents"]


def test_chinese_words_are_cut_by_jieba(expected, entries):
    tokenizer = load_tokenizer(entries.path)
    columns = columns_of(expected("best_fit"), "train")
    token = {entry: i for i, entry in enumerate(tokenizer.tokens)}
    mill = [token["磨"], token["坊"]]
    found = 0
    for ids, starts in zip(columns["ids"], columns["word_starts"], strict=True):
        at = [i for i in range(15) if ids[i : i + 2].tolist() == mill]
        found += len(at)
        # 磨坊 is one word, which the entries alone do not tell.
        assert all(starts[i] and not starts[i + 1] for i in at)
    assert found > 20


@pytest.mark.parametrize("shape", ["pad", "concat", "sentence_pair", "response"])
def test_examples_hold_the_same_rows_for_tensorflow(shape, corpus, entries, tmp_path):
    rows = rows_of(corpus, entries, tmp_path / "rows", examples=True, **SHAPES[shape])
    columns = columns_of(rows, "eval")
    files = sorted(str(f) for f in (rows.path / "examples").glob("eval-*"))
    spec = {
        name: tf.io.FixedLenFeature(values.shape[1:], tf.int64)
        for name, values in columns.items()
    }
    parsed = tf.data.TFRecordDataset(files).map(
        lambda record: tf.io.parse_single_example(record, spec)
    )
    found = list(parsed.as_numpy_iterator())
    assert len(found) == len(columns["ids"]) == rows.facts["splits"]["eval"]
    for name, values in columns.items():
        np.testing.assert_array_equal([row[name] for row in found], values)


def test_rows_of_responses_count_the_tokens_and_bytes_to_predict(
    corpus, entries, expected
):
    texts = [document["text"] for document in corpus.read("eval")]
    tokens = load_tokenizer(entries.path)(tf.constant(texts))
    assert expected("response").facts["answers"]["eval"] == {
        "tokens": len(tokens.flat_values) + len(texts),
        "bytes": sum(len(text.encode()) for text in texts),
    }
    assert "answers" not in expected("gpt").facts


def test_a_large_vocabulary_takes_four_bytes_a_token(tmp_path):
    from textmill.components.tokenizer.engine import schema_of

    config = RowLayout(sequence_length=8)
    assert schema_of(config, vocabulary_size=65_536).dtype["ids"].base == np.uint16
    assert schema_of(config, vocabulary_size=65_537).dtype["ids"].base == np.uint32


@pytest.mark.parametrize("change", ["cut", "flip", "missing"])
def test_an_altered_shard_is_refused(change, entries, tmp_path):
    from textmill.components.tokenizer import Tokenizer

    rows = [{"id": str(i), "text": SENTENCES[i % 4]} for i in range(20)]
    documents = write_documents(tmp_path / "documents", {"train": rows})
    shard = documents.shards("train")[0]
    data = shard.read_bytes()
    if change == "cut":
        shard.write_bytes(data[:-3])
    elif change == "flip":
        shard.write_bytes(data[:9] + bytes([data[9] ^ 1]) + data[10:])
    else:
        shard.unlink()
    with pytest.raises(IntegrityError, match=shard.name):
        Tokenizer.execute(
            config=RowLayout(sequence_length=16),
            inputs={"documents": documents, "vocabulary": entries},
            outputs={"rows": TokenRows(tmp_path / "rows")},
        )


def tokenized(folder, splits, vocabulary, **layout):
    """Returns labelled rows of documents that are given by split."""
    rows = TokenRows(folder / "rows")
    layout = {"packing": "pad", "target": "label"} | layout
    tokenize(
        documents=write_documents(folder / "documents", splits),
        vocabulary=vocabulary,
        rows=rows,
        config=RowLayout(sequence_length=8, **layout),
        context=Context(),
    )
    return rows


def labelled(*labels):
    rows = [{"id": str(n), "text": f"boat {n}"} for n in range(len(labels))]
    return [
        row | ({"label": label} if label else {})
        for row, label in zip(rows, labels, strict=True)
    ]


def test_documents_without_a_target_are_left_out_and_counted(vocabulary, tmp_path):
    splits = {"train": labelled("a", "b", None, "b"), "test": labelled(None)}
    splits["eval"] = labelled("b", None, "a")
    rows = tokenized(tmp_path, splits, vocabulary)
    assert rows.splits == {"train": 3, "eval": 2, "test": 0}
    assert rows.facts["unlabelled"] == {"train": 1, "eval": 1, "test": 1}
    assert rows.facts["bytes"] == {"train": 18, "eval": 12, "test": 0}
    assert rows.note() == "3 documents without a target left out"
    assert rows.evaluated_split == "eval"
    text = tokenized(tmp_path / "lm", splits, vocabulary, target="none")
    assert text.splits == {"train": 4, "eval": 3, "test": 1}
    assert "unlabelled" not in text.facts


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (
            {"train": ("x", "x")},
            "split train: expected two labels or more, all 2 rows have label 'x'",
        ),
        (
            {"train": ("x", "y"), "test": ("y ", "y ")},
            "split test: expected two labels or more, all 2 rows have label 'y '",
        ),
        (
            {"train": ("x", "y")},
            "expected rows in split eval or test, got none (train 2)",
        ),
    ],
)
def test_data_that_cannot_be_evaluated_is_refused_before_training(
    splits, message, vocabulary, tmp_path
):
    splits = {split: labelled(*labels) for split, labels in splits.items()}
    splits["train"] += labelled("y ") if "y " in str(splits) else []
    with pytest.raises(DataError, match=re.escape(message)):
        tokenized(tmp_path, splits, vocabulary)
