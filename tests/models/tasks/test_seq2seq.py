"""Sequence to sequence: features, the loss, and generation over a cache."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.marks import slow_except
from textmill.models.backbones import encoder_decoder
from textmill.models.config import ModelConfig
from textmill.models.export.saved_model import SavedModel
from textmill.models.generation.config import GenerateConfig
from textmill.models.generation.decoder import Rules
from textmill.models.tasks.config import Seq2SeqConfig
from textmill.models.tasks.seq2seq import Seq2Seq, target_rows
from textmill.models.tasks.server import ServingOptions
from textmill.models.tokenizers import SPECIAL_TOKENS, Character, SpecialTokens

SPECIALS = SpecialTokens(pad=0, unknown=1, start=2, end=3, mask=4)
CLASSIC = ModelConfig(
    family="encoder_decoder",
    layers=2,
    width=16,
    heads=2,
    sequence_length=12,
    target_length=9,
    dropout=0.0,
)
SHAPES = {
    "classic": CLASSIC,
    "pre": replace(CLASSIC, norm="pre"),
    "modern": replace(CLASSIC, recipe="modern"),
    "untied": replace(CLASSIC, recipe="modern", tied_embeddings=False),
}


def make(shape, **knobs):
    keras.utils.clear_session()
    task = Seq2Seq(shape, vocabulary_size=40, specials=SPECIALS, seed=3, **knobs)
    generator = np.random.default_rng(0)
    for variable in task.model.trainable_variables:
        # Away from zero outputs, where a block would say nothing of what it sees.
        noise = generator.normal(0, 0.3, variable.shape)
        variable.assign(variable + noise.astype("float32"))
    return task


def rows(seed=1):
    generator = np.random.default_rng(seed)
    lengths = np.array([12, 7, 4], np.int32)
    ids = generator.integers(5, 40, (3, 12)).astype(np.int32)
    targets = generator.integers(5, 40, (3, 9)).astype(np.int32)
    targets[:, 0] = SPECIALS.start
    return {
        "ids": tf.constant(np.where(np.arange(12) < lengths[:, None], ids, 0)),
        "length": tf.constant(lengths),
        "target_ids": tf.constant(targets),
        "target_length": tf.constant([9, 5, 3]),
    }


def test_features_shift_the_target_by_one():
    task = make(replace(CLASSIC, layers=1, target_length=5))
    features = task.features(
        {
            "ids": tf.constant([[2, 7, 3, 0]]),
            "length": tf.constant([3]),
            "target_ids": tf.constant([[2, 8, 9, 3, 0]]),
            "target_length": tf.constant([4]),
        }
    )
    assert {name: value.numpy().tolist() for name, value in features.items()} == {
        "ids": [[2, 7, 3, 0]],
        "mask": [[1, 1, 1, 0]],
        "target_ids": [[2, 8, 9, 3]],
        "targets": [[8, 9, 3, 0]],
        "weights": [[1.0, 1.0, 1.0, 0.0]],
    }


def test_label_smoothing_is_in_training_alone():
    smoothed = make(CLASSIC, task_config=Seq2SeqConfig(label_smoothing=0.3))
    features = smoothed.features(rows())
    measured = smoothed.loss_sums(features, training=False)["loss"].numpy()
    logits = smoothed.logits(features)
    surprise = -tf.math.log_softmax(logits).numpy()  # [batch, target, vocabulary]
    weights, targets = features["weights"].numpy(), features["targets"].numpy()
    own = np.take_along_axis(surprise, targets[..., None], -1)[..., 0]
    np.testing.assert_allclose(measured, (own * weights).sum(1), rtol=1e-5)
    mixed = 0.7 * own + 0.3 * surprise.mean(-1)
    trained = smoothed.loss_sums(features, training=True)["loss"].numpy()
    np.testing.assert_allclose(trained, (mixed * weights).sum(1), rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_cached_logits_are_those_of_the_whole_target(shape):
    task = make(shape)
    features = task.features(rows())
    whole = task.logits(features).numpy()
    logits, state = task.start(features)
    for i in range(whole.shape[1]):
        np.testing.assert_allclose(logits, whole[:, i], atol=2e-5)
        if i + 1 < whole.shape[1]:
            logits, state = task.step(features["target_ids"][:, i + 1], state)


def test_the_source_is_read_and_its_padding_is_not():
    task = make(SHAPES["modern"])
    features = task.features(rows())
    short = {k: v[1:2] for k, v in features.items()}
    short |= {name: short[name][:, :7] for name in ("ids", "mask")}
    whole = task.logits(features).numpy()
    np.testing.assert_allclose(task.logits(short), whole[1:2], atol=2e-5)
    changed = features | {"ids": features["ids"] + 1}
    assert np.abs(task.logits(changed) - whole).max() > 0.1


def test_the_decoder_does_not_see_later_tokens():
    task = make(SHAPES["modern"])
    features = task.features(rows())
    later = tf.concat(
        [features["target_ids"][:, :4], features["target_ids"][:, 4:] * 0 + 7], 1
    )
    before = task.logits(features).numpy()
    after = task.logits(features | {"target_ids": later}).numpy()
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert np.abs(before[:, 4:] - after[:, 4:]).max() > 0.1


@pytest.mark.parametrize("shape", slow_except(["pre", "modern"], ["modern"]))
def test_activation_checkpointing_gives_the_same_gradients(shape):
    def gradients(checkpointed):
        task = make(replace(SHAPES[shape], activation_checkpointing=checkpointed))
        features = task.features(rows())
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(task.loss_sums(features, training=True)["loss"])
        variables = task.model.trainable_variables
        return {
            v.path: tf.convert_to_tensor(g).numpy()
            for v, g in zip(variables, tape.gradient(loss, variables), strict=True)
        }

    plain, recomputed = gradients(False), gradients(True)
    assert plain.keys() == recomputed.keys()
    for path, gradient in plain.items():
        np.testing.assert_allclose(recomputed[path], gradient, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", slow_except(SHAPES, ["classic", "modern"]))
def test_generated_tokens_are_the_likeliest_of_the_uncached_model(shape):
    task = make(SHAPES[shape])
    features = task.features(rows())
    written = task.generate(features).numpy()
    read = np.full((3, 1), SPECIALS.start, np.int32)
    for _ in range(8):
        logits = task.logits(features | {"target_ids": tf.constant(read)}).numpy()
        last = logits[:, -1]
        last[:, [SPECIALS.pad, SPECIALS.start, SPECIALS.mask]] = -np.inf
        token = last.argmax(-1)
        ended = (read[:, 1:] == SPECIALS.end).any(1)
        token = np.where(ended, SPECIALS.end, token)
        read = np.concatenate([read, token[:, None].astype(np.int32)], axis=1)
    np.testing.assert_array_equal(written, read[:, 1:])


def test_a_mixed_batch_is_answered_as_one_at_a_time():
    task = make(SHAPES["modern"])
    features = task.features(rows())
    together = task.generate(features).numpy()
    for i, length in enumerate((12, 7, 4)):
        alone = {k: v[i : i + 1] for k, v in features.items()}
        alone |= {name: alone[name][:, :length] for name in ("ids", "mask")}
        np.testing.assert_array_equal(task.generate(alone), together[i : i + 1])


def test_beam_search_finds_what_greedy_finds_or_likelier_texts():
    task = make(SHAPES["modern"])
    features = task.features(rows())

    def log_probabilities(written):
        read = np.concatenate([np.full((3, 1), SPECIALS.start), written], axis=1)
        logits = task.logits(features | {"target_ids": tf.constant(read[:, :-1])})
        shares = tf.nn.log_softmax(logits + Rules.of(SPECIALS, 40).forbidden).numpy()
        own = np.take_along_axis(shares, written[..., None], -1)[..., 0]
        is_end = written == SPECIALS.end
        return np.where(np.cumsum(is_end, 1) - is_end > 0, 0.0, own).sum(1)

    greedy = log_probabilities(task.generate(features).numpy())
    beam = task.generate(features, beams=5, alpha=0.0).numpy()
    assert (log_probabilities(beam) >= greedy - 1e-4).all()
    alone = {k: v[1:2] for k, v in features.items()}
    np.testing.assert_array_equal(
        task.generate(alone, beams=5, alpha=0.0).numpy(), beam[1:2]
    )


def test_documents_are_answered_by_the_served_graph_with_the_references_loss():
    tokenizer = Character([*SPECIAL_TOKENS, *"abcdefgh"])
    task = Seq2Seq(CLASSIC, vocabulary_size=tokenizer.size, specials=SPECIALS)
    server = task.serve(tokenizer, ServingOptions())
    documents = [
        {"text": "abc", "target_text": "cba"},
        {"text": "a" * 30, "target_text": "h" * 30},
    ]
    outputs = server.document_outputs(documents)
    answers = [a["text"] for a in server.reference_answers(["abc", "a" * 30])]
    assert outputs["text"] == answers
    np.testing.assert_array_equal(outputs["weight"], [4, 8])
    features = task.features(
        server.rows(tf.constant(["abc"]))
        | target_rows(tokenizer, tf.constant(["cba"]), length=CLASSIC.longest_target)
    )
    alone = task.loss_sums(features, training=False)["loss"].numpy()
    np.testing.assert_allclose(outputs["loss"][:1], alone, rtol=1e-5)


@pytest.mark.slow
def test_an_export_writes_greedily_and_by_beam_search(tmp_path):
    tokenizer = Character([*SPECIAL_TOKENS, *"abcdefgh"])
    keras.utils.clear_session()
    task = Seq2Seq(
        replace(SHAPES["modern"], zero_outputs=False),
        vocabulary_size=tokenizer.size,
        specials=SPECIALS,
    )
    texts = ["abc", "hhhh", ""]
    options = ServingOptions(generate=GenerateConfig(max_tokens=30))
    SavedModel().write(task, tokenizer, tmp_path, options)
    runtime = SavedModel().load(tmp_path)
    server = task.serve(tokenizer, options)
    trained = server.reference_answers(texts)
    assert runtime.answer(texts) == trained
    # No text is longer than the longest target, whatever a call asks for.
    longest = SHAPES["modern"].longest_target - 1
    assert max(len(answer["text"]) for answer in trained) <= longest
    features = server._features(server.rows(tf.constant(texts)))
    tokens = task.generate(features, beams=3)
    beam = tokenizer.detokenize(tf.RaggedTensor.from_tensor(tokens)).numpy()
    written = runtime.call("generate", text=texts, beams=3)["text"]
    assert written.tolist() == beam.tolist()
    scores = runtime.call("score", text=texts, target=["cba", "a", ""])
    assert scores["tokens"].tolist() == [4, 2, 1]


def test_one_embedding_serves_encoder_decoder_and_output():
    task = make(CLASSIC)
    names = [v.path for v in task.model.weights if v.shape[:1] == (40,)]
    assert len(names) == 1
    assert encoder_decoder.sequence(task.backbone.output).shape[-1] == 16
