import numpy as np
import pytest

from textmill.models.config import ModelConfig
from textmill.models.export.saved_model import SavedModel
from textmill.models.generation.config import GenerateConfig
from textmill.models.tasks import TASKS
from textmill.models.tasks.server import ServingOptions
from textmill.models.tokenizers import SPECIAL_TOKENS, Character

TEXTS = ["abba", "", "a b", "b" * 40, "zzz"]


@pytest.fixture(scope="module", params=["causal_lm", "masked_lm"])
def answers(request, tmp_path_factory):
    """What the exported model answers, and what the trained one does."""
    tokenizer = Character([*SPECIAL_TOKENS, *" ab"])
    family = "gpt" if request.param == "causal_lm" else "bert"
    task = TASKS[request.param].load()(
        ModelConfig(family=family, layers=1, width=8, heads=2, sequence_length=12),
        vocabulary_size=tokenizer.size,
        specials=tokenizer.specials,
        seed=1,
    )
    options = ServingOptions(generate=GenerateConfig(max_tokens=6))
    folder = tmp_path_factory.mktemp("saved")
    SavedModel().write(task, tokenizer, folder, options)
    return (
        request.param,
        SavedModel().load(folder).answer(TEXTS),
        task.serve(tokenizer, options).reference_answers(TEXTS),
    )


def test_the_saved_model_gives_the_trained_models_numbers(answers):
    task, served, reference = answers
    name = "loss" if task == "causal_lm" else "embedding"
    for here, there in zip(served, reference, strict=True):
        np.testing.assert_allclose(here[name], there[name], atol=1e-5)


def test_a_language_model_writes_on_from_any_text(answers):
    task, served, reference = answers
    if task == "causal_lm":
        written = [a["continuation"] for a in served]
        assert written == [a["continuation"] for a in reference]
        assert all(set(text) <= set(" ab\ufffd") for text in written)
        assert all(len(text) <= 6 for text in written)


def test_the_loss_of_no_text_is_nothing(answers):
    task, served, _ = answers
    if task == "causal_lm":
        assert served[1]["loss"] == 0.0
        assert served[0]["loss"] > 0.0
