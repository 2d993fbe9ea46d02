"""Signatures of exported models that write, called in a fresh process."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from textmill.models.config import ModelConfig
from textmill.models.export.saved_model import SavedModel
from textmill.models.generation.config import GenerateConfig
from textmill.models.tasks import TASKS
from textmill.models.tasks.server import ServingOptions
from textmill.models.tokenizers import SPECIAL_TOKENS, Character

TEXTS = ["abc", "", "hgfe" * 8, "e"]
_ASK = """
import json, sys
from textmill.models.export.saved_model import SavedModel
runtime = SavedModel().load(__import__("pathlib").Path(sys.argv[1]))
texts, output = json.loads(sys.argv[2]), sys.argv[3]

def strings(values):
    return [value.decode() for value in values.tolist()]

def ask(name, **inputs):
    return runtime.call(name, **inputs)

answers = {
    "served": [answer[output] for answer in runtime.answer(texts)],
    "generate": strings(ask("generate", text=texts)[output]),
    "sampled": strings(ask("generate", text=texts, temperature=1.0, seed=5)[output]),
    "again": strings(ask("generate", text=texts, temperature=1.0, seed=5)[output]),
    "beams": strings(ask("generate", text=texts, beams=3)[output]),
}
state = ask("start", text=texts)
for size in (1, 4, 3):
    state = ask("continue", max_tokens=size, **state)
    answers[f"after {size}"] = strings(state.pop(output))
scored = {"text": texts} | ({"response": texts[::-1]} if output == "text" else {})
answers["score"] = {k: v.tolist() for k, v in ask("score", **scored).items()}
print("\\n" + json.dumps(answers))
"""


@pytest.fixture(
    scope="module",
    params=["causal_lm", pytest.param("respond", marks=pytest.mark.slow)],
)
def asked(request, tmp_path_factory):
    """Returns a server, its output's name and a fresh process's answers."""
    tokenizer = Character([*SPECIAL_TOKENS, *" abcdefgh"])
    task = TASKS[request.param].load()(
        ModelConfig(family="gpt", layers=1, width=16, heads=2, sequence_length=12),
        vocabulary_size=tokenizer.size,
        specials=tokenizer.specials,
        seed=3,
    )
    for weight in task.model.weights:
        weight.assign(weight * 8)
    options = ServingOptions(generate=GenerateConfig(max_tokens=8))
    folder = tmp_path_factory.mktemp("written")
    SavedModel().write(task, tokenizer, folder, options)
    server = task.serve(tokenizer, options)
    done = subprocess.run(
        [sys.executable, "-c", _ASK, folder, json.dumps(TEXTS), server.output],
        capture_output=True,
        check=True,
    )
    return server, json.loads(done.stdout.rpartition(b"\n{")[2].join([b"{", b""]))


def test_the_texts_are_those_of_the_model_in_memory(asked):
    server, answers = asked
    written = server.call(TEXTS)[server.output].numpy().tolist()
    assert answers["served"] == [text.decode() for text in written]
    assert len(set(answers["served"])) > 1


def test_left_out_knobs_have_the_values_of_the_stage(asked):
    _, answers = asked
    assert answers["generate"] == answers["served"]
    assert answers["sampled"] == answers["again"] != answers["served"]
    assert len(answers["beams"]) == len(TEXTS)


def test_a_text_in_parts_is_the_text_at_once(asked):
    _, answers = asked
    assert answers["after 3"] == answers["served"]
    for part in ("after 1", "after 4"):
        pairs = zip(answers[part], answers["served"], strict=True)
        assert all(whole.startswith(begun) for begun, whole in pairs)
    assert any(map(len, answers["after 1"]))


def test_scores_are_sums_of_losses(asked):
    server, answers = asked
    texts = dict.fromkeys(server.scored, tf.constant(TEXTS))
    if "response" in texts:
        texts["response"] = tf.constant(TEXTS[::-1])
    for name, value in server.score(**texts).items():
        np.testing.assert_allclose(answers["score"][name], value, rtol=1e-4)
    total, tokens = answers["score"]["total"], answers["score"]["tokens"]
    np.testing.assert_allclose(
        answers["score"]["loss"], np.array(total) / np.maximum(tokens, 1), rtol=1e-5
    )
