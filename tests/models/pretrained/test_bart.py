"""A random BART in Hugging Face's format is KerasHub's, state for state."""

import json

import keras_hub
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from textmill.models.config import ModelConfig
from textmill.models.errors import ConfigError, IntegrityError
from textmill.models.pretrained import huggingface
from textmill.models.tasks.seq2seq import Seq2Seq
from textmill.models.tokenizers import SpecialTokens
from textmill.models.weights import warm_start

SPECIALS = SpecialTokens(pad=1, unknown=3, start=0, end=2, mask=None)
TOKENS, WIDTH, INNER, LAYERS, POSITIONS = 60, 16, 32, 2, 20
SHAPE = ModelConfig(
    family="encoder_decoder",
    layers=LAYERS,
    width=WIDTH,
    heads=2,
    feed_forward=INNER,
    activation="gelu_exact",
    sequence_length=12,
    target_length=9,
    dropout=0.0,
)
CONFIG = {
    "model_type": "bart",
    "vocab_size": TOKENS,
    "num_hidden_layers": LAYERS,
    "encoder_layers": LAYERS,
    "decoder_layers": LAYERS,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "d_model": WIDTH,
    "encoder_ffn_dim": INNER,
    "decoder_ffn_dim": INNER,
    "dropout": 0.0,
    "max_position_embeddings": POSITIONS,
    "activation_function": "gelu",
    "scale_embedding": False,
}


def random_tensors():
    generator = np.random.default_rng(0)
    tensors = {}

    def add(name, *shape, center=0.0):
        values = center + generator.normal(0, 0.2, shape)
        tensors[name] = values.astype(np.float32)

    def layer(name, rows, columns):
        add(f"{name}.weight", rows, columns)
        add(f"{name}.bias", rows)

    def norm(name):
        add(f"{name}.weight", WIDTH, center=1.0)
        add(f"{name}.bias", WIDTH)

    add("shared.weight", TOKENS, WIDTH)
    for side in ("encoder", "decoder"):
        tensors[f"{side}.embed_tokens.weight"] = tensors["shared.weight"].copy()
        add(f"{side}.embed_positions.weight", POSITIONS + 2, WIDTH)
        norm(f"{side}.layernorm_embedding")
        attentions = ["self_attn", *(["encoder_attn"] if side == "decoder" else [])]
        for i in range(LAYERS):
            block = f"{side}.layers.{i}"
            for attention in attentions:
                for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    layer(f"{block}.{attention}.{part}", WIDTH, WIDTH)
                norm(f"{block}.{attention}_layer_norm")
            layer(f"{block}.fc1", INNER, WIDTH)
            layer(f"{block}.fc2", WIDTH, INNER)
            norm(f"{block}.final_layer_norm")
    return tensors


@pytest.fixture
def folder(tmp_path):
    save_file(
        random_tensors(), tmp_path / "model.safetensors", metadata={"format": "pt"}
    )
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path


def converted(folder, shape=SHAPE):
    huggingface.check(shape, CONFIG, folder / "config.json")
    tensors = load_file(folder / "model.safetensors")
    return huggingface.convert(tensors, shape, folder)


def test_states_are_those_of_kerashub_for_the_same_folder(folder):
    task = Seq2Seq(SHAPE, vocabulary_size=TOKENS, specials=SPECIALS)
    init = warm_start(task, converted(folder), source=str(folder))
    assert init == {"new": [], "unused": []}
    generator = np.random.default_rng(1)
    source, target = (generator.integers(4, TOKENS, (2, n)) for n in (7, 5))
    mask = (np.arange(7) < np.array([[7], [4]])).astype(int)
    stock = keras_hub.models.BartBackbone.from_preset(str(folder))(
        {
            "encoder_token_ids": source,
            "encoder_padding_mask": mask,
            "decoder_token_ids": target,
            "decoder_padding_mask": np.ones_like(target),
        }
    )
    own = task.backbone(
        {"token_ids": source, "padding_mask": mask, "target_ids": target}
    )
    expected = np.array(stock["decoder_sequence_output"])
    np.testing.assert_allclose(own["decoder"], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"decoder_layers": 6}, "expected encoder_layers equal to decoder_layers"),
        ({"scale_embedding": True}, "expected scale_embedding false"),
        ({"activation_function": "relu"}, "one of gelu, gelu_new, got 'relu'"),
        ({"d_model": 32}, "width is 16, not 32"),
        ({"max_position_embeddings": 8}, "target_length is 9, above 8"),
    ],
    ids=str,
)
def test_another_model_is_refused_in_a_sentence(change, fault, tmp_path):
    with pytest.raises(ConfigError, match=fault):
        huggingface.check(SHAPE, CONFIG | change, tmp_path / "config.json")


def test_an_unknown_tensor_and_an_untied_embedding_are_refused(folder):
    tensors = load_file(folder / "model.safetensors")
    more = tensors | {"encoder.adapter.weight": np.zeros(3, np.float32)}
    with pytest.raises(IntegrityError, match=r"holds encoder\.adapter\.weight"):
        huggingface.convert(more, SHAPE, folder)
    untied = tensors | {"lm_head.weight": tensors["shared.weight"] + 1}
    with pytest.raises(IntegrityError, match=r"lm_head\.weight differs from shared"):
        huggingface.convert(untied, SHAPE, folder)
    biased = tensors | {"final_logits_bias": np.ones((1, TOKENS), np.float32)}
    with pytest.raises(IntegrityError, match="final_logits_bias of zeros"):
        huggingface.convert(biased, SHAPE, folder)
