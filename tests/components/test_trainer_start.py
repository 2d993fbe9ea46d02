"""Where training starts: a pretrained folder, by the config and with its own words."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.conftest import write_documents
from tests.models.pretrained.pretrained_folders import (
    BERT_SHAPE,
    bert_tensors,
    write_bert,
)
from textmill.components.artifacts import (
    TokenRows,
    TrainedModel,
    TrainingLogs,
    Vocabulary,
)
from textmill.components.base import Context
from textmill.components.tokenizer import RowLayout, tokenize
from textmill.components.trainer import Trainer, TrainerConfig, train
from textmill.components.vocabulary_learner import VocabularyConfig, learn_vocabulary
from textmill.models.cooccurrence import cooccurrence_vectors
from textmill.models.errors import ConfigError, DataError, IntegrityError
from textmill.models.inference import tokenize_texts
from textmill.models.pretrained import PretrainedConfig
from textmill.models.tokenizers import load_tokenizer
from textmill.models.training.config import TrainingConfig
from textmill.pipeline.publish import seal

SHAPE = BERT_SHAPE


@pytest.fixture
def folder(tmp_path):
    return write_bert(tmp_path / "folder", bert_tensors(head=True))


def config_of(folder, **knobs):
    return TrainerConfig(
        task="classify",
        model=replace(SHAPE, **knobs),
        init=PretrainedConfig(huggingface=str(folder)),
        train=TrainingConfig(steps=1, global_batch=4, learning_rate=0.0, xla=False),
    )


def trained(folder, documents, tmp_path, *, words=None):
    vocabulary = Vocabulary(tmp_path / "vocabulary")
    learn_vocabulary(
        vocabulary=vocabulary,
        config=VocabularyConfig(file=str(words or folder)),
        context=Context(),
    )
    rows = TokenRows(tmp_path / "rows")
    tokenize(
        documents=documents,
        vocabulary=seal_and_return(vocabulary),
        rows=rows,
        config=RowLayout(sequence_length=10, packing="pad", target="label"),
        context=Context(),
    )
    model = TrainedModel(tmp_path / "model")
    train(
        rows=seal_and_return(rows),
        vocabulary=vocabulary,
        model=model,
        logs=TrainingLogs(tmp_path / "logs"),
        config=config_of(folder),
        context=Context(),
    )
    return seal_and_return(model)


def trained_on(documents, corpus, vocabulary, tmp_path):
    """Returns a model from scratch, with the embeddings of a corpus."""
    rows, model = TokenRows(tmp_path / "rows"), TrainedModel(tmp_path / "model")
    tokenize(
        documents=documents,
        vocabulary=vocabulary,
        rows=rows,
        config=RowLayout(sequence_length=10, packing="pad", target="label"),
        context=Context(),
    )
    train(
        rows=seal_and_return(rows),
        vocabulary=vocabulary,
        corpus=corpus,
        model=model,
        logs=TrainingLogs(tmp_path / "logs"),
        config=replace(config_of(tmp_path), init=None),
        context=Context(),
    )
    return model


def seal_and_return(artifact):
    seal(artifact)
    return artifact


def test_a_stage_starts_from_a_folder_and_lists_new_tensors(
    folder, documents, tmp_path
):
    model = trained(folder, documents, tmp_path)
    started = model.facts["init"]
    assert started["new"] == ["head/logits/bias", "head/logits/kernel"]
    assert len(started["unused"]) == 5


def test_a_stage_from_scratch_starts_from_the_vectors_of_a_corpus(
    documents, vocabulary, tmp_path
):
    model = trained_on(documents, documents, vocabulary, tmp_path)
    tensors = load_file(model.path / model.WEIGHTS)
    embeddings = tensors["backbone/token_embedding/embeddings"]
    tokenizer = load_tokenizer(vocabulary.path)
    texts = [document["text"] for document in documents.read("train")]
    vectors = cooccurrence_vectors(
        tokenize_texts(tokenizer, texts),
        vocabulary_size=tokenizer.size,
        width=SHAPE.width,
        seed=17,
    )
    known = vectors.any(axis=1)
    scale = embeddings[known].std() / vectors[known].std()
    np.testing.assert_allclose(embeddings[known], vectors[known] * scale, rtol=1e-4)
    assert embeddings[~known].any()


def test_a_corpus_without_text_in_train_is_refused(documents, vocabulary, tmp_path):
    empty = write_documents(tmp_path / "empty", {"train": [], "test": [{"text": "a"}]})
    with pytest.raises(DataError, match="split train of the corpus, found none of 0"):
        trained_on(documents, empty, vocabulary, tmp_path)


def test_a_stage_of_other_words_does_not_start(folder, documents, tmp_path):
    words = write_bert(tmp_path / "other", bert_tensors(head=False))
    entries = (words / "vocab.txt").read_text().replace("a\nb", "b\na")
    (words / "vocab.txt").write_text(entries)
    with pytest.raises(IntegrityError, match="trained with vocabulary") as caught:
        trained(folder, documents, tmp_path, words=words)
    assert caught.value.exit_code == 4


def test_what_is_in_the_folder_is_part_of_the_key(folder):
    assert [f.name for f in Trainer.external_files(config_of(folder))] == [
        "config.json",
        "model.safetensors",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    assert Trainer.external_files(replace(config_of(folder), init=None)) == []
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="which cannot be read safely"):
        Trainer.external_files(config_of(folder))
