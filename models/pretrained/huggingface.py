"""Converts Hugging Face tensors to Textmill's names and shapes.

BERT's dense kernels are transposed; GPT-2's are not, but its queries, keys and values
are one tensor.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from textmill.models.config import ModelConfig
from textmill.models.errors import ConfigError, IntegrityError
from textmill.models.pretrained import bart
from textmill.models.pretrained.files import Tensors, check_shape, whole_number

_BLOCK = "backbone/transformer_layer_"
BERT_NAMES = {
    r"embeddings\.word_embeddings\.weight": "backbone/token_embedding/embeddings",
    r"embeddings\.position_embeddings\.weight": (
        "backbone/position_embedding/embeddings"
    ),
    r"embeddings\.token_type_embeddings\.weight": (
        "backbone/segment_embedding/embeddings"
    ),
    r"embeddings\.LayerNorm": "backbone/embeddings_layer_norm",
    r"encoder\.layer\.(\d+)\.attention\.self\.(query|key|value)": (
        _BLOCK + r"\1/self_attention_layer/\2"
    ),
    r"encoder\.layer\.(\d+)\.attention\.output\.dense": (
        _BLOCK + r"\1/self_attention_layer/attention_output"
    ),
    r"encoder\.layer\.(\d+)\.attention\.output\.LayerNorm": (
        _BLOCK + r"\1/self_attention_layer_norm"
    ),
    r"encoder\.layer\.(\d+)\.intermediate\.dense": (
        _BLOCK + r"\1/feedforward_intermediate_dense"
    ),
    r"encoder\.layer\.(\d+)\.output\.dense": _BLOCK + r"\1/feedforward_output_dense",
    r"encoder\.layer\.(\d+)\.output\.LayerNorm": _BLOCK + r"\1/feedforward_layer_norm",
    r"pooler\.dense": "backbone/pooled_dense",
    r"cls\.predictions\.transform\.dense": "head/masked_lm_head/intermediate_dense",
    r"cls\.predictions\.transform\.LayerNorm": (
        "head/masked_lm_head/intermediate_layer_norm"
    ),
    r"cls\.predictions\.bias": "head/masked_lm_head/output_bias",
    r"cls\.seq_relationship": "head/next_sentence",
}
GPT_NAMES = {
    r"wte\.weight": "backbone/token_embedding/embeddings",
    r"wpe\.weight": "backbone/position_embedding/embeddings",
    r"h\.(\d+)\.ln_1": _BLOCK + r"\1/self_attention_layer_norm",
    r"h\.(\d+)\.ln_2": _BLOCK + r"\1/feedforward_layer_norm",
    r"h\.(\d+)\.attn\.c_attn": _BLOCK + r"\1/self_attention/qkv",
    r"h\.(\d+)\.attn\.c_proj": _BLOCK + r"\1/self_attention/attention_output",
    r"h\.(\d+)\.mlp\.c_fc": _BLOCK + r"\1/feedforward_intermediate_dense",
    r"h\.(\d+)\.mlp\.c_proj": _BLOCK + r"\1/feedforward_output_dense",
    r"ln_f": "backbone/layer_norm",
}
_BUFFERS = re.compile(r"embeddings\.position_ids|h\.\d+\.attn\.(masked_)?bias")
"""Constants that some versions of the library save with the weights."""
_TIED = {
    "cls.predictions.decoder.weight": "embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
    "lm_head.weight": "wte.weight",
}
"""Copies of tied tensors, stored once here."""
_PREFIX = re.compile(r"(bert|transformer)\.")
_ACTIVATIONS = {
    "gelu": "gelu_exact",
    "gelu_new": "gelu",
    "gelu_pytorch_tanh": "gelu",
    "gelu_python": "gelu_exact",
}
_EPSILON = {"bert": 1e-12, "gpt": 1e-5}
_FIXED = {
    "bert": {"is_decoder": False, "add_cross_attention": False},
    "gpt": {
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
    },
}
"""Options of attention, and the only value that Textmill's blocks compute."""
_HEAD = "head/masked_lm_head/intermediate_dense/kernel"


def check(config: ModelConfig, values: dict[str, Any], file: Path) -> None:
    """Compares a model with a folder's ``config.json``.

    Raises:
        ConfigError: they differ, or the folder has an unsupported model.
    """
    if values.get("model_type") == "bart":
        bart.check(config, values, file)
        return
    kinds = {"bert": "bert", "gpt2": "gpt"}
    family = kinds.get(str(values.get("model_type")))
    if family is None:
        raise ConfigError(
            f"{file}: expected model_type bert, gpt2 or bart, got "
            f"{values.get('model_type')!r}"
        )
    names = ("num_hidden_layers", "hidden_size", "num_attention_heads")
    inner, longest = "intermediate_size", "max_position_embeddings"
    activation, epsilon = "hidden_act", values.get("layer_norm_eps", 1e-12)
    if family == "gpt":
        names, longest = ("n_layer", "n_embd", "n_head"), "n_positions"
        inner, activation = "n_inner", "activation_function"
        epsilon = values.get("layer_norm_epsilon", 1e-5)
    layers, width, heads = (whole_number(values, name, file) for name in names)
    if family == "gpt" and values.get(inner) is None:
        values = values | {inner: 4 * width}
    if (gelu := _ACTIVATIONS.get(str(values.get(activation)))) is None:
        raise ConfigError(
            f"{file}: expected {activation} one of {', '.join(_ACTIVATIONS)}, got "
            f"{values.get(activation)!r}"
        )
    if epsilon != _EPSILON[family]:
        raise ConfigError(
            f"{file}: expected norms with epsilon {_EPSILON[family]}, got {epsilon}"
        )
    if values.get("position_embedding_type", "absolute") != "absolute":
        raise ConfigError(
            f"{file}: expected position_embedding_type absolute, got "
            f"{values['position_embedding_type']!r}"
        )
    _check_attention(values, family, file)
    wanted = {"family": family, "layers": layers, "width": width, "heads": heads}
    feed_forward = whole_number(values, inner, file)
    wanted |= {"feed_forward": feed_forward, "activation": gelu}
    check_shape(config, wanted, longest=whole_number(values, longest, file), file=file)


def _check_attention(values: dict[str, Any], family: str, file: Path) -> None:
    """Checks the options for which the blocks compute one value alone."""
    for name, value in _FIXED[family].items():
        if values.get(name, value) != value:
            raise ConfigError(
                f"{file}: expected {name} {json.dumps(value)}, which is all that the "
                f"blocks of {family} compute, got {json.dumps(values[name])}; name "
                "another folder"
            )


def check_head(config: ModelConfig, names: Collection[str], file: Path) -> None:
    """Compares the masked-LM head of a start with the folder's.

    Args:
        config: the model.
        names: tensors that the model takes from the folder.
        file: the folder's config, for messages.

    Raises:
        ConfigError: the folder's head has another activation.
    """
    if _HEAD in names and config.blocks.activation != "gelu_exact":
        raise ConfigError(
            f"{file}: expected hidden_act gelu, the activation of Textmill's masked-LM "
            "head, got an approximation of it; name another folder, or learn another "
            "task from this one"
        )


def convert(tensors: Tensors, config: ModelConfig, folder: Path) -> Tensors:
    """Returns the tensors by Textmill's names, float32.

    Raises:
        IntegrityError: a tensor is unknown, or a copy of a tied tensor differs.
    """
    if config.family == "encoder_decoder":
        return bart.convert(tensors, config, folder)
    named = {_PREFIX.sub("", name, count=1): v for name, v in tensors.items()}
    _drop_copies(named, folder)
    rules = BERT_NAMES if config.family == "bert" else GPT_NAMES
    converted: Tensors = {}
    for name, value in named.items():
        if _BUFFERS.fullmatch(name):
            continue
        target = _target(name, rules)
        if target is None:
            raise IntegrityError(
                f"{folder}: holds {name}, which is not in a {config.family} model; "
                "remove it, or name another folder"
            )
        for ours, part in _split(target, value.astype(np.float32)):
            converted[ours] = _shape(ours, part, config)
    return converted


def _drop_copies(named: Tensors, folder: Path) -> None:
    for copy, original in _TIED.items():
        if copy in named and original not in named:
            named[original] = named.pop(copy)
        elif copy in named and not np.array_equal(named.pop(copy), named[original]):
            raise IntegrityError(
                f"{folder}: {copy} differs from {original}, but Textmill ties "
                "them; name a folder with tied embeddings"
            )


def _target(name: str, rules: dict[str, str]) -> str | None:
    for pattern, ours in rules.items():
        match = re.fullmatch(pattern + r"(\.(weight|bias|gamma|beta))?", name)
        if match is None:
            continue
        ending = match[match.re.groups]
        if ending is None:
            return match.expand(ours)
        if "norm" in ours:
            last = "gamma" if ending in ("weight", "gamma") else "beta"
        else:
            last = "kernel" if ending == "weight" else "bias"
        return f"{match.expand(ours)}/{last}"
    return None


def _split(target: str, value: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    if "/qkv/" not in target:
        yield target, value
        return
    parts = np.split(value, 3, axis=-1)
    for name, part in zip(("query", "key", "value"), parts, strict=True):
        yield target.replace("/qkv/", f"/{name}/"), part


def _shape(name: str, value: np.ndarray, config: ModelConfig) -> np.ndarray:
    """Returns a tensor in the layer's shape: transposed, by head, truncated."""
    heads, width = config.heads, config.width
    if name.endswith("position_embedding/embeddings"):
        return value[: config.sequence_length]
    if name.endswith("/kernel") and config.family == "bert":
        value = value.T
    if re.search(r"/(query|key|value)/", name):
        return value.reshape(*value.shape[:-1], heads, width // heads)
    if name.endswith("attention_output/kernel"):
        return value.reshape(heads, width // heads, width)
    return value
