"""Responses: rows as the tokenizer step packs them, texts that stop, scores."""

import numpy as np
import pytest
import tensorflow as tf

from textmill.components.tokenizer import RowLayout
from textmill.components.tokenizer.prompt_response import Response
from textmill.models.config import ModelConfig
from textmill.models.generation.config import GenerateConfig
from textmill.models.rows import RowSchema
from textmill.models.tasks.respond import Respond, response_rows
from textmill.models.tasks.server import ServingOptions
from textmill.models.tokenizers import SPECIAL_TOKENS, Character

PAIRS = [
    ("abc", "de"),
    ("", "a"),
    ("abcdefgh" * 4, "ab"),
    ("ab", "abcdefgh" * 4),
    ("abcdefgh" * 4, "hgfedcba" * 4),
    ("a" * 8, "b" * 3),
]


@pytest.fixture(scope="module")
def tokenizer():
    return Character([*SPECIAL_TOKENS, *" abcdefgh"])


@pytest.fixture(scope="module")
def task(tokenizer):
    shape = ModelConfig(family="gpt", layers=1, width=16, heads=2, sequence_length=12)
    task = Respond(
        shape, vocabulary_size=tokenizer.size, specials=tokenizer.specials, seed=3
    )
    for weight in task.model.weights:
        weight.assign(weight * 8)  # sharp answers, unlike those of a new model
    return task


def serve(task, tokenizer, **knobs):
    return task.serve(tokenizer, ServingOptions(generate=GenerateConfig(**knobs)))


def test_rows_are_those_of_the_tokenizer_step(tokenizer):
    schema = RowSchema(sequence_length=12, wide=False, parts="answer", target="text")
    layout = RowLayout(sequence_length=12, packing="response", target="text")
    packer = Response(layout, schema=schema, specials=tokenizer.specials)
    batch = [
        {"id": str(i), "text": a, "target_text": b} for i, (a, b) in enumerate(PAIRS)
    ]
    tokens = tokenizer(tf.constant(packer.texts(batch)))
    flat, splits = tokens.flat_values.numpy(), tokens.row_splits.numpy()
    packed = schema.unpack(packer.add(flat, splits, batch))
    prompts, responses = zip(*PAIRS, strict=True)
    rows = response_rows(
        tokenizer, tf.constant(prompts), tf.constant(responses), length=12
    )
    assert set(rows) == set(packed)
    for name, column in packed.items():
        np.testing.assert_array_equal(rows[name], column, err_msg=name)


def test_a_response_does_not_depend_on_its_batch(task, tokenizer):
    server = serve(task, tokenizer, max_tokens=7, temperature=1.0, top_p=0.9)
    prompts = [prompt for prompt, _ in PAIRS]
    together = server.call(prompts)["text"].numpy().tolist()
    alone = [server.call([prompt])["text"].numpy()[0] for prompt in prompts]
    assert together == alone
    assert len(set(together)) > 1


def test_a_stop_string_ends_a_text_and_is_no_part_of_it(task, tokenizer):
    [whole] = serve(task, tokenizer, max_tokens=8).call(["abc"])["text"].numpy()
    stop = whole.decode()[2:4]
    assert stop.strip()
    server = serve(task, tokenizer, max_tokens=8, stop=(stop,))
    [text] = server.call(["abc"])["text"].numpy()
    assert text.decode() == whole.decode()[: whole.decode().index(stop)]


def test_documents_have_the_served_text_and_the_loss_of_the_reference(task, tokenizer):
    server = serve(task, tokenizer, max_tokens=5)
    documents = [{"text": a, "target_text": b} for a, b in PAIRS]
    outputs = server.document_outputs(documents)
    prompts, responses = zip(*PAIRS, strict=True)
    assert outputs["text"] == [
        text.decode() for text in server.call(prompts)["text"].numpy()
    ]
    score = server.score(text=tf.constant(prompts), response=tf.constant(responses))
    np.testing.assert_allclose(outputs["loss"], score["total"], rtol=1e-5)
    # The end counts: "de" has three tokens.
    assert score["tokens"].numpy()[0] == 3
    row = [tokenizer.specials.end, *tokenizer(["abcde"]).to_list()[0]]
    ids = tf.constant([row + [tokenizer.specials.pad] * (12 - len(row))])
    mask = tf.sequence_mask([len(row)], 12, tf.int32)
    log_shares = tf.nn.log_softmax(task.logits({"ids": ids, "mask": mask}))[0].numpy()
    targets = [*row[4:], tokenizer.specials.end]
    by_hand = -sum(log_shares[3 + i, token] for i, token in enumerate(targets))
    assert float(score["total"][0]) == pytest.approx(by_hand, rel=1e-4)


def test_beams_and_temperature_are_an_error():
    with pytest.raises(ValueError, match="either beams or temperature"):
        GenerateConfig(beams=2, temperature=0.5)
