"""Converts the tensors of a Hugging Face BART to those of the classic encoder-decoder.

BART (Lewis et al., 2020) has the original transformer's blocks with the norm after each
part, learned positions from the third row of their table, and one token embedding.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from textmill.models.config import ModelConfig
from textmill.models.errors import ConfigError, IntegrityError
from textmill.models.pretrained.files import Tensors, check_shape, whole_number

_FIRST_POSITION = 2
_EMBEDDING = "shared.weight"
_TIED = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight")
_OUTPUT_BIAS = "final_logits_bias"
_ATTENTION = {"q_proj": "query", "k_proj": "key", "v_proj": "value"}
_PARTS = {
    r"self_attn\.(q_proj|k_proj|v_proj)": "{attention}",
    r"self_attn\.out_proj": "attention_output",
    "self_attn_layer_norm": "attention_norm",
    r"encoder_attn\.(q_proj|k_proj|v_proj)": "cross_{attention}",
    r"encoder_attn\.out_proj": "cross_output",
    "encoder_attn_layer_norm": "cross_norm",
    "fc1": "feedforward_inner",
    "fc2": "feedforward_output",
    "final_layer_norm": "feedforward_norm",
}
"""Layers of a block and their names here."""
_SAME = (
    ("encoder_layers", "decoder_layers"),
    ("encoder_ffn_dim", "decoder_ffn_dim"),
    ("encoder_attention_heads", "decoder_attention_heads"),
)
_ACTIVATIONS = {"gelu": "gelu_exact", "gelu_new": "gelu"}


def check(config: ModelConfig, values: dict[str, Any], file: Path) -> None:
    """Compares a model with the folder's ``config.json``.

    Raises:
        ConfigError: they differ, or the folder's encoder and decoder differ.
    """
    for first, second in _SAME:
        if whole_number(values, first, file) != whole_number(values, second, file):
            raise ConfigError(
                f"{file}: expected {first} equal to {second}, as in BART base and "
                f"large, got {values[first]} and {values[second]}; name another folder"
            )
    if values.get("scale_embedding", False):
        raise ConfigError(
            f"{file}: expected scale_embedding false, which is all that the blocks of "
            "encoder_decoder compute, got true; name another folder"
        )
    activation = values.get("activation_function")
    if activation not in _ACTIVATIONS:
        raise ConfigError(
            f"{file}: expected activation_function one of {', '.join(_ACTIVATIONS)}, "
            f"got {activation!r}; name another folder"
        )
    wanted = {
        "family": "encoder_decoder",
        "layers": values["encoder_layers"],
        "width": whole_number(values, "d_model", file),
        "heads": values["encoder_attention_heads"],
        "feed_forward": values["encoder_ffn_dim"],
        "activation": _ACTIVATIONS[activation],
    }
    longest = whole_number(values, "max_position_embeddings", file)
    if config.longest_target > longest:
        raise ConfigError(
            f"model: does not fit {file}: target_length is {config.longest_target}, "
            f"above {longest}; set target_length: {longest}"
        )
    check_shape(config, wanted, longest=longest, file=file)


def convert(tensors: Tensors, config: ModelConfig, folder: Path) -> Tensors:
    """Returns the tensors by Textmill's names, float32.

    Raises:
        IntegrityError: a tensor is unknown, or a copy of the embedding differs.
    """
    named = {name.removeprefix("model."): value for name, value in tensors.items()}
    if np.any(named.pop(_OUTPUT_BIAS, np.zeros(1))):
        raise IntegrityError(
            f"{folder}: expected a {_OUTPUT_BIAS} of zeros, as BART is trained, got "
            "another one; name another folder"
        )
    for copy in _TIED:
        original = named.setdefault(_EMBEDDING, named.get(copy, np.zeros(0)))
        if copy in named and not np.array_equal(named.pop(copy), original):
            raise IntegrityError(
                f"{folder}: {copy} differs from {_EMBEDDING}, but Textmill ties them; "
                "name a folder with tied embeddings"
            )
    converted: Tensors = {}
    for name, value in named.items():
        ours = _name(name)
        if ours is None:
            raise IntegrityError(
                f"{folder}: holds {name}, which is not in an encoder_decoder model; "
                "remove it, or name another folder"
            )
        converted[f"backbone/{ours}"] = _shape(ours, value.astype(np.float32), config)
    return converted


def _name(name: str) -> str | None:
    """Returns the name of a tensor below ``backbone/``; None for an unknown one."""
    if name == _EMBEDDING:
        return "token_embedding/embeddings"
    if match := re.fullmatch(r"(encoder|decoder)\.embed_positions\.weight", name):
        return f"{match[1]}_position_embedding/embeddings"
    if match := re.fullmatch(
        r"(encoder|decoder)\.layernorm_embedding\.(weight|bias)", name
    ):
        return f"{match[1]}_embeddings_norm/{_last('norm', match[2])}"
    for pattern, part in _PARTS.items():
        block = rf"(encoder|decoder)\.layers\.(\d+)\.{pattern}\.(weight|bias)"
        if match := re.fullmatch(block, name):
            side, number, *kind, ending = match.groups()
            part = part.format(attention=_ATTENTION[kind[0]] if kind else "")
            return f"{side}_layer_{number}/{part}/{_last(part, ending)}"
    return None


def _last(part: str, ending: str) -> str:
    if part.endswith("norm"):
        return "gamma" if ending == "weight" else "beta"
    return "kernel" if ending == "weight" else "bias"


def _shape(name: str, value: np.ndarray, config: ModelConfig) -> np.ndarray:
    """Returns a tensor in the layer's shape: transposed, truncated."""
    if name.endswith("kernel"):
        return value.T
    if "position_embedding" in name:
        is_source = name.startswith("encoder")
        length = config.sequence_length if is_source else config.longest_target
        return value[_FIRST_POSITION:][:length]
    return value
