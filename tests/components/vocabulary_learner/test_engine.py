import hashlib

import pytest

from tests.conftest import sentences, write_documents
from textmill.components.artifacts import Vocabulary
from textmill.components.base import Context
from textmill.components.vocabulary_learner import (
    VocabularyConfig,
    VocabularyLearner,
    learn_vocabulary,
)
from textmill.components.vocabulary_learner.engine import count_shard
from textmill.models.errors import ConfigError, DataError
from textmill.models.tokenizers import SPECIAL_TOKENS, load_tokenizer

SIZES = {"wordpiece": 80, "sentencepiece": 45, "bpe": 300, "character": 80}


def learn(documents, folder, *, beam=None, **knobs):
    vocabulary = Vocabulary(folder)
    learn_vocabulary(
        documents=documents,
        vocabulary=vocabulary,
        config=VocabularyConfig(**knobs),
        context=Context(beam=beam or {}),
    )
    return vocabulary


def digest(folder):
    files = sorted(file for file in folder.iterdir() if file.is_file())
    content = b"".join(file.name.encode() + file.read_bytes() for file in files)
    return hashlib.sha256(content).hexdigest()


def one_worker():
    return {"direct_num_workers": 1, "direct_running_mode": "in_memory"}


@pytest.mark.parametrize("kind", SIZES)
def test_shards_workers_and_order_do_not_change_a_byte(kind, tmp_path):
    knobs = {"kind": kind, "size": SIZES[kind], "learn_from": "x"}
    rows = sentences()
    few = write_documents(tmp_path / "few", {"train": rows}, num_shards=1)
    many = write_documents(tmp_path / "many", {"train": rows[::-1]}, num_shards=5)
    first = learn(few, tmp_path / "a", beam=one_worker(), **knobs)
    second = learn(many, tmp_path / "b", **knobs)
    assert first.facts == second.facts
    assert first.facts["kind"] == kind
    assert digest(first.path) == digest(second.path)


@pytest.mark.parametrize("kind", SIZES)
def test_a_small_corpus_gives_a_smaller_vocabulary(documents, kind, tmp_path):
    vocabulary = learn(documents, tmp_path / "a", kind=kind, size=5000, learn_from="x")
    size = load_tokenizer(vocabulary.path).size
    assert vocabulary.facts == {"kind": kind, "size": size, "limit": 5000}
    assert 16 < size < 400
    assert vocabulary.note() == f"{size:,} tokens learned, of 5,000 allowed"
    exact = learn(documents, tmp_path / "b", kind=kind, size=size, learn_from="x")
    assert exact.facts == {"kind": kind, "size": size}
    assert exact.note() is None
    assert digest(exact.path) == digest(vocabulary.path)


def test_characters_beyond_the_size_are_the_rarest(tmp_path):
    rows = [{"id": "1", "text": "aaaabbbcc" + "defghijklmno"}]
    documents = write_documents(tmp_path / "d", {"train": rows}, num_shards=1)
    vocabulary = learn(
        documents, tmp_path / "v", kind="character", size=16, learn_from="x"
    )
    tokens = load_tokenizer(vocabulary.path).tokens
    assert tokens == (*SPECIAL_TOKENS, *"abcdefghijk")


def test_a_size_below_the_characters_of_the_corpus_is_refused(documents, tmp_path):
    with pytest.raises(DataError, match="expected 29 or more for the characters"):
        learn(documents, tmp_path, kind="sentencepiece", size=16, learn_from="x")


def test_byte_pairs_begin_with_control_tokens_and_bytes(documents, tmp_path):
    made = learn(documents, tmp_path, kind="bpe", size=300, learn_from="x")
    tokenizer = load_tokenizer(made.path)
    assert tokenizer.size == made.facts["size"] == 300
    names = ("<|pad|>", "<|start|>", "<|endoftext|>", "<|mask|>", "Ā")
    assert tokenizer.tokens[:5] == names
    assert len(set(tokenizer.tokens)) == 300
    s = tokenizer.specials
    assert (s.pad, s.unknown, s.start, s.end, s.mask) == (0, None, 1, 2, 3)
    assert tokenizer.tokens[260:] == tuple(a + b for a, b in tokenizer.merges)
    assert not tokenizer.lowercase


def test_an_imported_vocabulary_says_its_own_kind(tmp_path):
    file = tmp_path / "vocab.txt"
    file.write_text("\n".join([*SPECIAL_TOKENS, "boat"]) + "\n")
    made = learn(None, tmp_path / "v", file=str(file))
    assert made.facts == {"kind": "wordpiece", "size": 6}
    with pytest.raises(ConfigError, match="of kind wordpiece, not sentencepiece"):
        learn(None, tmp_path / "w", file=str(file), kind="sentencepiece")


def test_the_files_of_a_folder_are_external(tmp_path):
    for name in ("vocab.txt", "tokenizer_config.json", "tokenizer.pkl", "README.md"):
        (tmp_path / name).write_text("{}")
    found = VocabularyLearner.external_files(VocabularyConfig(file=str(tmp_path)))
    assert [file.name for file in found] == ["tokenizer_config.json", "vocab.txt"]
    with pytest.raises(ConfigError, match="expected a file or folder"):
        missing = str(tmp_path / "missing")
        VocabularyLearner.external_files(VocabularyConfig(file=missing))


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({}, "either learn_from or file"),
        ({"learn_from": "x", "file": "y"}, "either learn_from or file"),
        ({"learn_from": "x", "size": 8}, "size of 16 or more"),
        ({"learn_from": "x", "size": 259, "kind": "bpe"}, "size of 260 or more"),
        (
            {"file": "x", "kind": "character"},
            "no file for kind character, which is learned, got file",
        ),
        (
            {"learn_from": "x", "normalization": "nfc"},
            "bert or fast for kind wordpiece",
        ),
        (
            {"learn_from": "x", "kind": "sentencepiece", "normalization": "bert"},
            "no normalization for kind sentencepiece",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_the_config(knobs, said):
    with pytest.raises(ValueError, match=said):
        VocabularyConfig(**knobs)


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("wordpiece", {"it": 2, "'": 2, "s": 2, "cafe": 2, "中": 4}),
        ("sentencepiece", {"It's": 2, "CAFÉ": 2, "中中": 2}),
        ("bpe", {"It": 2, "'s": 2, "Ġ": 2, "ĠCAFÃī": 2, "Ġä¸Ńä¸Ń": 2}),
        (
            "character",
            {"i": 2, "t": 2, "'": 2, "s": 2, " ": 6, "c": 2, "a": 2, "f": 2, "é": 2}
            | {"中": 4},
        ),
    ],
)
def test_each_kind_counts_its_own_units(kind, wanted, tmp_path):
    rows = [{"id": str(i), "text": "It's  CAFÉ 中中"} for i in range(2)]
    documents = write_documents(tmp_path, {"train": rows}, num_shards=1)
    config = VocabularyConfig(kind=kind, size=300, learn_from="x")
    shard = str(documents.shards("train")[0])
    assert count_shard(shard, config=config, max_bytes=1000) == wanted
    assert count_shard(shard, config=config, max_bytes=1).keys() == wanted.keys()
