"""Reads the backbone of a KerasHub preset, whose weights have the same names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from textmill.models.config import ModelConfig
from textmill.models.errors import ConfigError, IntegrityError
from textmill.models.pretrained.files import Tensors, check_shape, whole_number

_CLASSES = {"BertBackbone": "bert", "GPT2Backbone": "gpt"}


def check(config: ModelConfig, values: dict[str, Any], file: Path) -> None:
    """Compares a model with a preset's ``config.json``.

    Raises:
        ConfigError: they differ, or the preset has an unsupported model.
    """
    family = _CLASSES.get(str(values.get("class_name")))
    if family is None:
        raise ConfigError(
            f"{file}: expected class_name {' or '.join(_CLASSES)}, got "
            f"{values.get('class_name')!r}"
        )
    knobs = values.get("config")
    if not isinstance(knobs, dict):
        raise IntegrityError(f"{file}: expected a mapping for config, got {knobs!r}")
    wanted = {
        "family": family,
        "layers": whole_number(knobs, "num_layers", file),
        "width": whole_number(knobs, "hidden_dim", file),
        "heads": whole_number(knobs, "num_heads", file),
        "feed_forward": whole_number(knobs, "intermediate_dim", file),
        "activation": "gelu",
    }
    longest = whole_number(knobs, "max_sequence_length", file)
    check_shape(config, wanted, longest=longest, file=file)


def convert(tensors: Tensors, config: ModelConfig, folder: Path) -> Tensors:
    """Returns the tensors as float32, with positions truncated to the model's."""
    converted = {f"backbone/{k}": v.astype(np.float32) for k, v in tensors.items()}
    positions = "backbone/position_embedding/embeddings"
    if positions in converted:
        converted[positions] = converted[positions][: config.sequence_length]
    return converted
