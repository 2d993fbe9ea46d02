"""Reading a pretrained folder: its tensors by name, and the shape it says it has."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from textmill.models.config import ModelConfig
from textmill.models.errors import ConfigError, IntegrityError
from textmill.models.pretrained import CONFIG, PretrainedConfig

Tensors = dict[str, np.ndarray]


def read_tensors(init: PretrainedConfig) -> Tensors:
    """Returns all tensors of a folder.

    Raises:
        IntegrityError: a file is cut, or holds anything but numbers.
    """
    tensors: Tensors = {}
    for file in init.weight_files():
        tensors |= _read(file)
    return tensors


def _read(file: Path) -> Tensors:
    try:
        if file.suffix == ".safetensors":
            return dict(load_file(file))
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (SafetensorError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise IntegrityError(f"{file}: not whole {file.suffix}: {error}") from None


def read_config(init: PretrainedConfig) -> dict[str, Any]:
    """Returns the folder's ``config.json``."""
    file = init.path / CONFIG
    try:
        config = json.loads(file.read_bytes())
    except ValueError as error:
        raise IntegrityError(f"{file}: not JSON: {error}") from None
    if not isinstance(config, dict):
        raise IntegrityError(f"{file}: expected a mapping, got {type(config).__name__}")
    return config


def check_shape(
    config: ModelConfig, wanted: Mapping[str, Any], *, longest: int, file: Path
) -> None:
    """Compares a model with the folder that it is to start from.

    Args:
        config: the model.
        wanted: what the folder needs, by the name of the model's knob.
        longest: the folder's positions; a model may have fewer.
        file: where all that stands.

    Raises:
        ConfigError: they differ; every difference is named, with both values.
    """
    own = {
        "family": config.family,
        "layers": config.layers,
        "width": config.width,
        "heads": config.heads,
        "feed_forward": config.feed_forward_size,
        "activation": config.blocks.activation,
    }
    pairs = [(name, own[name], value) for name, value in wanted.items()]
    faults = [
        f"{name} is {here}, not {there}" for name, here, there in pairs if here != there
    ]
    if config.sequence_length > longest:
        faults.append(f"sequence_length is {config.sequence_length}, above {longest}")
    if not config.is_classic:
        faults.append("its blocks are not those of recipe classic")
    if faults:
        values = ", ".join(f"{name}: {value}" for name, value in wanted.items())
        raise ConfigError(
            f"model: does not fit {file}: {'; '.join(faults)}; set {{{values}}}"
        )
