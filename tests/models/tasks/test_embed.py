"""The contrastive loss by hand, its independence of batches, and the served vector."""

import numpy as np
import pytest
import tensorflow as tf

from textmill.models.config import ModelConfig
from textmill.models.errors import ConfigError
from textmill.models.export.saved_model import SavedModel
from textmill.models.tasks.config import EmbedConfig
from textmill.models.tasks.embed import Embed
from textmill.models.tasks.server import ServingOptions
from textmill.models.tokenizers import SPECIAL_TOKENS, Character, SpecialTokens

SPECIALS = SpecialTokens(pad=0, unknown=1, start=2, end=3, mask=4)
TEXTS = ["abba", "", "a b", "b" * 40, "zzz"]


def make(*, family="bert", vocabulary_size=40, pooling="mean", **knobs):
    shape = ModelConfig(
        family=family,
        layers=1,
        width=8,
        heads=2,
        sequence_length=6,
        dropout=0.0,
        pooling=pooling,
    )
    return Embed(
        shape,
        vocabulary_size=vocabulary_size,
        specials=SPECIALS,
        seed=3,
        task_config=EmbedConfig(**knobs),
    )


def rows(texts):
    """Returns rows of lists of tokens, ``[n, texts, length]``."""
    ids = np.zeros((len(texts), len(texts[0]), 6), np.int32)
    lengths = np.zeros(ids.shape[:2], np.int32)
    for i, row in enumerate(texts):
        for j, tokens in enumerate(row):
            framed = [2, *tokens, 3]
            ids[i, j, : len(framed)], lengths[i, j] = framed, len(framed)
    return {"ids": tf.constant(ids), "lengths": tf.constant(lengths)}


def cross_entropy(logits, right):
    return np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[right]


@pytest.mark.parametrize("family", ["bert", "gpt", "lstm"])
def test_the_loss_of_pairs_is_that_of_both_directions(family):
    task = make(family=family, contrast_size=3, temperature=0.1)
    features = task.features(rows([[[5, 6], [7]], [[8], [9, 10]], [[11], [12]]]))
    sums = task.loss_sums(features, training=False)
    vectors = task.vectors(features).numpy().astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=-1), 1.0, atol=1e-6)
    logits = vectors[:, 0] @ vectors[:, 1].T / 0.1
    wanted = [
        (cross_entropy(logits[i], i) + cross_entropy(logits[:, i], i)) / 2
        for i in range(3)
    ]
    np.testing.assert_allclose(sums["loss"], wanted, rtol=1e-4)
    assert sums["correct"].numpy().tolist() == (logits.argmax(1) == range(3)).tolist()


def test_a_third_text_is_a_negative_of_all_rows():
    task = make(contrast_size=2)
    features = task.features(rows([[[5], [6], [7]], [[8], [9], [10]]]))
    vectors = task.vectors(features).numpy().astype(np.float64)
    others = np.concatenate([vectors[:, 1], vectors[:, 2]])
    logits = vectors[:, 0] @ others.T / 0.05
    wanted = [cross_entropy(logits[i], i) for i in range(2)]
    sums = task.loss_sums(features, training=False)
    np.testing.assert_allclose(sums["loss"], wanted, rtol=1e-4)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param([[8], [6]], id="the same second text"),
        pytest.param([[5], [9]], id="the same first text"),
        pytest.param([[8], [5]], id="a second text that equals the first"),
    ],
)
def test_texts_that_belong_together_are_no_negatives(other):
    task = make(contrast_size=2)
    features = task.features(rows([[[5], [6]], other]))
    loss = task.loss_sums(features, training=False)["loss"].numpy()
    assert loss[0] == pytest.approx(0.0, abs=1e-6)


def test_rows_without_weight_count_neither_as_rows_nor_as_negatives():
    task = make(contrast_size=4)
    pairs = [[[5, 6], [7]], [[8], [9, 10]], [[11], [12]], [[13], [14]]]
    features = task.features(rows(pairs))
    features["weights"] = tf.constant([1.0, 1.0, 0.0, 0.0])
    sums = task.loss_sums(features, training=False)
    alone = make(contrast_size=2)
    wanted = alone.loss_sums(alone.features(rows(pairs[:2])), training=False)["loss"]
    np.testing.assert_allclose(sums["loss"], [*wanted, 0.0, 0.0], rtol=1e-4)
    assert sums["weight"].numpy().tolist() == [1.0, 1.0, 0.0, 0.0]


def test_the_loss_of_a_group_does_not_depend_on_the_rest_of_the_batch():
    task = make(contrast_size=2)
    pairs = [[[5, 6], [7]], [[8], [9, 10]], [[11], [12]], [[13], [14]]]
    loss = task.loss_sums(task.features(rows(pairs)), training=False)["loss"]
    parts = [
        task.loss_sums(task.features(rows(part)), training=False)["loss"]
        for part in (pairs[:2], pairs[2:])
    ]
    np.testing.assert_allclose(loss, np.concatenate(parts), rtol=1e-5)


def test_first_pooling_takes_the_state_of_the_first_token():
    task = make(pooling="first")
    features = {
        "ids": tf.constant([[2, 7, 8, 3, 0, 0]]),
        "mask": tf.constant([[1] * 4 + [0] * 2]),
    }
    outputs = task.backbone(task.family.inputs(features["ids"], features["mask"]))
    first = outputs["sequence_output"].numpy()[0, 0]
    np.testing.assert_allclose(
        task.vectors(features)[0], first / np.linalg.norm(first), atol=1e-6
    )


@pytest.mark.parametrize("family", ["bert", "gpt", "lstm"])
def test_the_saved_model_gives_the_trained_models_vector(family, tmp_path):
    tokenizer = Character([*SPECIAL_TOKENS, *" ab"])
    task = make(family=family, vocabulary_size=tokenizer.size)
    SavedModel().write(task, tokenizer, tmp_path, ServingOptions())
    served = SavedModel().load(tmp_path).answer(TEXTS)
    reference = task.serve(tokenizer, ServingOptions()).reference_answers(TEXTS)
    for answer, wanted in zip(served, reference, strict=True):
        np.testing.assert_allclose(answer["vector"], wanted["vector"], atol=1e-5)
        assert np.linalg.norm(answer["vector"]) == pytest.approx(1.0, abs=1e-5)


def test_ranks_are_those_of_the_cosines_of_served_vectors():
    tokenizer = Character([*SPECIAL_TOKENS, *" abc"])
    server = make(vocabulary_size=tokenizer.size).serve(tokenizer, ServingOptions())
    documents = [
        {"text": first, "text_2": second}
        for first, second in [("a", "ab"), ("b", "c c"), ("cc", "ab"), ("abc", "b")]
    ]
    batches = list(server.split_outputs(documents, batch=3))
    assert [len(part) for part, _ in batches] == [3, 1]
    ranks = np.concatenate([columns["rank"] for _, columns in batches])
    first = server.call([d["text"] for d in documents])["vector"].numpy()
    corpus = server.call(["ab", "c c"])["vector"].numpy()
    # "b" is the second text of the last pair, so it competes with none of its own.
    for i, own in ((1, 1), (0, 0)):
        cosines = first[i] @ np.vstack([corpus, server.call(["b"])["vector"]]).T
        competing = [0, 1] if i == 1 else [0, 1, 2]
        assert ranks[i] == 1 + sum(cosines[j] > cosines[own] for j in competing)


def test_a_batch_that_does_not_hold_whole_groups_is_refused(tmp_path):
    from textmill.models.training.strategy import ReplicaContext

    replicas = ReplicaContext(tf.distribute.get_strategy())
    replicas.check(8, accumulate=2, group=4)
    with pytest.raises(
        ConfigError, match=r"multiple of 16 .* groups of 8 rows\), got 8"
    ):
        replicas.check(8, accumulate=2, group=8)
