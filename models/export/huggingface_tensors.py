"""Tensors of a BERT or GPT-2 by Hugging Face's names: the inverse of warm starts."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from textmill.models.config import ModelConfig
from textmill.models.pretrained.huggingface import BERT_NAMES, GPT_NAMES

_ENDINGS = {"kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias"}
_GROUPS = (r"(\d+)", "(query|key|value)")
_PARTS = ("query", "key", "value")


def huggingface_tensors(
    tensors: Mapping[str, np.ndarray], config: ModelConfig
) -> dict[str, np.ndarray]:
    """Returns the backbone and the masked-LM heads, float32, without a prefix.

    Args:
        tensors: a task's, by Textmill's names; those of other heads are left out.
        config: the model's dimensions; its recipe is classic.
    """
    rules = _inverted(BERT_NAMES if config.family == "bert" else GPT_NAMES)
    named = {}
    for name, value in _joined(tensors, config).items():
        if (theirs := _name(name, rules)) is not None:
            named[theirs] = np.ascontiguousarray(_matrix(name, value, config))
    return named


def linear_tensors(
    tensors: Mapping[str, np.ndarray], ours: str, theirs: str
) -> dict[str, np.ndarray]:
    """Returns the weight and bias of a linear layer of a head."""
    return {
        f"{theirs}.weight": np.ascontiguousarray(tensors[f"{ours}/kernel"].T),
        f"{theirs}.bias": tensors[f"{ours}/bias"],
    }


def _inverted(names: Mapping[str, str]) -> dict[str, str]:
    """Returns templates of Hugging Face's names by patterns of Textmill's."""
    inverted = {}
    for pattern, ours in names.items():
        theirs = pattern.replace(r"\.", ".")
        for number, group in enumerate(_GROUPS, start=1):
            theirs = theirs.replace(group, f"\\{number}")
            ours = ours.replace(f"\\{number}", group)
        inverted[ours] = theirs
    return inverted


def _name(name: str, rules: Mapping[str, str]) -> str | None:
    for pattern, theirs in rules.items():
        match = re.fullmatch(pattern + "(/(kernel|bias|gamma|beta))?", name)
        if match is None:
            continue
        ending = match[match.re.groups]
        suffix = "" if ending is None else f".{_ENDINGS[ending]}"
        return match.expand(theirs) + suffix
    return None


def _joined(
    tensors: Mapping[str, np.ndarray], config: ModelConfig
) -> dict[str, np.ndarray]:
    """Joins GPT-2's queries, keys and values, one after the other."""
    if config.family == "bert":
        return dict(tensors)
    joined = {}
    for name, value in tensors.items():
        block, part, last = name.rpartition("/query/")
        if part:
            parts = [tensors[f"{block}/{side}/{last}"] for side in _PARTS]
            flat = [value.reshape(*value.shape[:-2], -1) for value in parts]
            joined[f"{block}/qkv/{last}"] = np.concatenate(flat, axis=-1)
        elif not re.search("/(key|value)/", name):
            joined[name] = value
    return joined


def _matrix(name: str, value: np.ndarray, config: ModelConfig) -> np.ndarray:
    """Returns a tensor without an axis of heads, and BERT's kernels transposed."""
    width = config.width
    if re.search("/(query|key|value)/", name):
        value = value.reshape(*value.shape[:-2], width)
    elif name.endswith("attention_output/kernel"):
        value = value.reshape(width, width)
    if name.endswith("/kernel") and config.family == "bert":
        value = value.T
    return value
