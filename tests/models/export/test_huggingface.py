"""A Hugging Face folder has the answers of the trained model."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from textmill.models.calibrated.fit import Calibration
from textmill.models.calibrated.joint import JointModel
from textmill.models.config import ModelConfig
from textmill.models.export.huggingface import HuggingFace
from textmill.models.export.huggingface_rules import ARCHITECTURES, check
from textmill.models.generation.config import GenerateConfig
from textmill.models.pretrained import PretrainedConfig
from textmill.models.pretrained.warm_start import start_from_folder
from textmill.models.tasks import TASKS
from textmill.models.tasks.server import ServingOptions
from textmill.models.tokenizers import (
    BYTE_PAIR_SPECIALS,
    BytePair,
    WordPiece,
    byte_alphabet,
    import_tokenizer,
)

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcd", "##a", "##b", "ca"]
TEXTS = ["a b ca", "", "Cab d", "unknown é", "d " * 30, "中 a\r\n", "\x00 b"]
OPTIONS = ServingOptions(labels=("no", "yes"), generate=GenerateConfig(max_tokens=4))
CASES = [
    ("classify", "first", False),
    ("classify", "first", True),
    ("regress", "first", False),
    ("embed", "mean", False),
    ("embed", "first", False),
    ("masked_lm", "mean", False),
    ("causal_lm", "mean", False),
]


def make(task, pooling="first", pair=False, seed=1):
    """Returns a task whose weights are far from their start, and its tokenizer."""
    keras.utils.clear_session()
    tokenizer = WordPiece(PIECES, lowercase=True, normalization="bert")
    is_gpt = task == "causal_lm"
    if is_gpt:
        entries = [*BYTE_PAIR_SPECIALS.values(), *byte_alphabet()]
        tokenizer = BytePair(
            entries,
            [],
            specials=BYTE_PAIR_SPECIALS,
            lowercase=False,
            normalization="none",
        )
    made = TASKS[task].load()(
        ModelConfig(
            family="gpt" if is_gpt else "bert",
            layers=2,
            width=16,
            heads=4,
            feed_forward=24,
            sequence_length=12,
            activation="gelu" if is_gpt else "gelu_exact",
            pooling=pooling,
        ),
        vocabulary_size=tokenizer.size,
        specials=tokenizer.specials,
        num_labels=2,
        seed=seed,
        pair=pair,
    )
    generator = np.random.default_rng(seed)
    for variable in made.model.weights:
        noise = generator.normal(0, 0.3, variable.shape).astype("float32")
        variable.assign(variable + noise)
    if task == "regress":
        made.scale.assign(np.array([20.0, 5.0], np.float32))
    return made, tokenizer


@pytest.mark.parametrize(("task", "pooling", "pair"), CASES)
def test_transformers_gives_the_answers_of_the_trained_model(
    task, pooling, pair, tmp_path
):
    pytest.importorskip("transformers")
    if task == "embed":
        pytest.importorskip("sentence_transformers")
    made, tokenizer = make(task, pooling, pair)
    HuggingFace().write(made, tokenizer, tmp_path, OPTIONS)
    runtime = HuggingFace().load(tmp_path)
    texts = [(text, "b ca") for text in TEXTS] if pair else TEXTS
    answers = runtime.answer(texts)
    reference = made.serve(tokenizer, OPTIONS).reference_answers(texts)
    for answer, expected in zip(answers, reference, strict=True):
        for name, value in answer.items():
            if isinstance(value, str):
                assert value == expected[name]
            else:
                np.testing.assert_allclose(value, expected[name], atol=2e-5, rtol=1e-5)


def test_transformers_writes_the_greedy_text_of_a_gpt(tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    made, tokenizer = make("causal_lm")
    HuggingFace().write(made, tokenizer, tmp_path, OPTIONS)
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    server = made.serve(tokenizer, OPTIONS)
    for text in ("ab", "x", "no 1"):
        prompt = theirs(text, return_tensors="pt")
        assert prompt["input_ids"][0].tolist() == [
            tokenizer.specials.end,
            *tokenizer(tf.constant([text])).to_list()[0],
        ]
        with torch.inference_mode():
            ids = model.generate(**prompt)[0, prompt["input_ids"].shape[1] :]
        written = theirs.decode(ids, skip_special_tokens=True)
        assert written == server.reference_answers([text])[0]["continuation"]


@pytest.mark.parametrize("task", ["masked_lm", "causal_lm"])
def test_a_stage_starts_from_the_folder_with_the_same_tensors(task, tmp_path):
    made, tokenizer = make(task)
    HuggingFace().write(made, tokenizer, tmp_path, OPTIONS)
    imported = import_tokenizer(tmp_path)
    assert list(imported.tokens) == list(tokenizer.tokens)
    other, _ = make(task, seed=2)
    started = start_from_folder(
        other, PretrainedConfig(huggingface=str(tmp_path)), imported
    )
    assert not started["unused"]
    for name, value in made.tensors().items():
        if name not in started["new"]:
            np.testing.assert_array_equal(other.tensors()[name], value)


def test_a_classifiers_folder_has_its_labels_and_head(tmp_path):
    made, tokenizer = make("classify")
    HuggingFace().write(made, tokenizer, tmp_path, OPTIONS)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["id2label"] == {"0": "no", "1": "yes"}
    assert config["architectures"] == ["BertForSequenceClassification"]
    tensors = load_file(tmp_path / "model.safetensors")
    kernel = made.tensors()["head/logits/kernel"].numpy()
    np.testing.assert_array_equal(tensors["classifier.weight"], kernel.T)
    assert tensors["bert.encoder.layer.1.attention.self.query.weight"].shape == (16, 16)
    assert len(tensors) == 5 + 2 * 16 + 2 + 2


def test_the_calibration_of_an_encoder_is_in_its_head(tmp_path):
    made, tokenizer = make("classify")
    joint = JointModel(
        kind="label",
        encoder=made,
        linear=None,
        calibration=Calibration(encoder=0.5, linear=0.0, threshold=None, risk=0.05),
    )
    HuggingFace().write(joint, tokenizer, tmp_path, OPTIONS)
    tensors = load_file(tmp_path / "model.safetensors")
    kernel = made.tensors()["head/logits/kernel"].numpy()
    np.testing.assert_array_equal(tensors["classifier.weight"], 0.5 * kernel.T)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"ngrams": False, "pooling": "first"}, []),
        ({"pooling": "first"}, ["model.ngrams false"]),
        ({"ngrams": False}, ["model.pooling first"]),
        (
            {"ngrams": False, "pooling": "first", "recipe": "modern"},
            ["model.recipe classic"],
        ),
        (
            {"ngrams": False, "pooling": "first", "activation": "geglu"},
            ["model.activation gelu or gelu_exact"],
        ),
        ({"family": "lstm"}, ["model.family bert for task classify"]),
    ],
)
def test_a_model_that_does_not_fit_is_refused_by_its_key(model, expected):
    violations = check({"task": "classify"}, model, {})
    assert [violation.expected for violation in violations] == [
        f"{text} with format huggingface" for text in expected
    ]


def test_a_task_without_an_architecture_is_refused():
    [violation] = check({"task": "tag"}, {}, {})
    assert str(violation.got) == "tag"
    assert all(task in violation.expected for task in ARCHITECTURES)
