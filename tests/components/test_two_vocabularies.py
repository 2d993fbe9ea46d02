"""A vocabulary of their own for targets, from documents to served texts."""

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import write_documents
from textmill.components.artifacts import (
    TokenRows,
    TrainedModel,
    TrainingLogs,
    Vocabulary,
)
from textmill.components.base import Context
from textmill.components.tokenizer import RowLayout, tokenize
from textmill.components.trainer import TrainerConfig, train
from textmill.components.vocabulary_learner import (
    TargetVocabularyConfig,
    VocabularyConfig,
    VocabularyLearner,
    learn_vocabulary,
)
from textmill.models.config import ModelConfig
from textmill.models.export.saved_model import SavedModel
from textmill.models.generation.config import GenerateConfig
from textmill.models.rows import RowReader, RowSchema
from textmill.models.tasks.server import ServingOptions
from textmill.models.tokenizers import load_tokenizer
from textmill.models.training.config import TrainingConfig
from textmill.models.weights import load_task
from textmill.pipeline.publish import seal

PAIRS = [("one red dog", "一只红狗"), ("two red birds", "两只红鸟"), ("a dog", "狗")]
SHAPE = ModelConfig(
    family="encoder_decoder",
    recipe="modern",
    layers=1,
    width=16,
    heads=2,
    sequence_length=12,
    target_length=6,
)


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """Vocabulary, rows and model: sources in word pieces, targets in characters."""
    folder = tmp_path_factory.mktemp("line")
    documents = write_documents(
        folder / "documents",
        {
            split: [
                {"id": f"{split}{n}", "text": source, "target_text": target}
                for n, (source, target) in enumerate(PAIRS)
            ]
            for split in ("train", "eval")
        },
        num_shards=1,
    )
    documents.facts["target"] = "text"
    seal(documents)
    vocabulary, rows = Vocabulary(folder / "vocabulary"), TokenRows(folder / "rows")
    learn_vocabulary(
        documents=documents,
        vocabulary=vocabulary,
        config=VocabularyConfig(
            learn_from="pairs",
            size=40,
            target=TargetVocabularyConfig(kind="character", size=30),
        ),
        context=Context(),
    )
    seal(vocabulary)
    tokenize(
        documents=documents,
        vocabulary=vocabulary,
        rows=rows,
        config=RowLayout(
            sequence_length=12,
            packing="encoder_decoder",
            target="text",
            target_length=6,
        ),
        context=Context(),
    )
    seal(rows)
    model = TrainedModel(folder / "model")
    train(
        rows=rows,
        vocabulary=vocabulary,
        model=model,
        logs=TrainingLogs(folder / "logs"),
        config=TrainerConfig(
            task="seq2seq",
            model=SHAPE,
            train=TrainingConfig(steps=2, global_batch=3, xla=False),
        ),
        context=Context(),
    )
    seal(model)
    return vocabulary, rows, model


def test_each_side_has_the_tokens_of_its_texts(line):
    vocabulary, _, _ = line
    tokenizer = load_tokenizer(vocabulary.path)
    assert vocabulary.facts["target"] == {"kind": "character", "size": 11, "limit": 30}
    assert set("一只红狗两鸟") == set(tokenizer.target.tokens[5:])
    assert "dog" in tokenizer.tokens
    assert not set("一只红狗") & set("".join(tokenizer.tokens))


def test_rows_hold_the_ids_of_both(line):
    vocabulary, rows, _ = line
    tokenizer = load_tokenizer(vocabulary.path)
    columns = RowReader(rows.shards("train"), RowSchema.of(rows.facts)).take(
        np.arange(3)
    )

    def texts(tokenizer, ids, length):
        ragged = tf.RaggedTensor.from_tensor(columns[ids], lengths=columns[length])
        return [text.decode() for text in tokenizer.detokenize(ragged).numpy()]

    sources = texts(tokenizer, "ids", "length")
    targets = texts(tokenizer.target, "target_ids", "target_length")
    assert dict(zip(sources, targets, strict=True)) == dict(PAIRS)


def test_the_export_writes_tokens_of_the_targets(line, tmp_path):
    _, _, model = line
    task, tokenizer = load_task(
        model.path / model.WEIGHTS, model.path / model.TOKENIZER, model.facts
    )
    assert task.backbone.token_embedding.embeddings.shape[0] == tokenizer.size
    assert task.backbone.target_embedding.embeddings.shape[0] == 11
    options = ServingOptions(generate=GenerateConfig(max_tokens=5))
    SavedModel().write(task, tokenizer, tmp_path, options)
    runtime = SavedModel().load(tmp_path)
    texts = [source for source, _ in PAIRS]
    answers = runtime.answer(texts)
    assert answers == task.serve(tokenizer, options).reference_answers(texts)
    assert {c for answer in answers for c in answer["text"]} <= set("一只红狗两鸟�")
    scores = runtime.call("score", text=texts, target=[target for _, target in PAIRS])
    assert scores["tokens"].tolist() == [5, 5, 2]
    assert np.isfinite(scores["loss"]).all()


def test_files_of_both_are_part_of_the_key(tmp_path):
    for name in ("source.txt", "target.txt"):
        (tmp_path / name).write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    config = VocabularyConfig(
        file=str(tmp_path / "source.txt"),
        target=TargetVocabularyConfig(file=str(tmp_path / "target.txt")),
    )
    files = VocabularyLearner.external_files(config)
    assert [file.name for file in files] == ["source.txt", "target.txt"]
    with pytest.raises(
        ValueError, match=r"target\.file where the vocabulary is a file"
    ):
        VocabularyConfig(file="x", target=TargetVocabularyConfig())
