"""Reads a pretrained folder: its tensors by name, and the model's dimensions."""

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

_MAX_EXPANSION = 100


def read_tensors(init: PretrainedConfig) -> Tensors:
    """Returns all tensors of a folder.

    Raises:
        IntegrityError: a file is truncated, or holds anything but numbers.
    """
    tensors: Tensors = {}
    for file in init.weight_files():
        read = _read(file)
        for name, value in read.items():
            _check_numbers(file, name, value)
        tensors |= read
    return tensors


def _read(file: Path) -> Tensors:
    try:
        if file.suffix == ".safetensors":
            return dict(load_file(file))
        _check_expansion(file)
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (KeyError, AttributeError) as error:
        raise IntegrityError(
            f"{file}: holds a tensor of a type that NumPy lacks ({error}); convert the "
            "weights to float32 or float16"
        ) from None
    except (
        SafetensorError,
        ValueError,
        TypeError,
        OSError,
        RecursionError,
        zipfile.BadZipFile,
    ) as error:
        raise IntegrityError(f"{file}: not whole {file.suffix}: {error}") from None


def _check_numbers(file: Path, name: str, value: Any) -> None:
    if not isinstance(value, np.ndarray):
        raise IntegrityError(
            f"{file}: {name!r} is not an array; remove it from the file"
        )
    if value.dtype.kind not in "biuf" and value.dtype.name != "bfloat16":
        raise IntegrityError(
            f"{file}: {name!r} is an array of {value.dtype}, expected numbers; remove "
            "it from the file"
        )


def check_finite(tensors: Tensors, folder: Path) -> None:
    """Checks that every number of a model is finite.

    Raises:
        IntegrityError: a tensor has a NaN or an infinity.
    """
    for name, value in tensors.items():
        if wrong := int(np.count_nonzero(~np.isfinite(value))):
            raise IntegrityError(
                f"{folder}: {wrong} of the {value.size} numbers of {name} are NaN or "
                "infinite; get the weights again, or name another folder"
            )


def _check_expansion(file: Path) -> None:
    """Checks the size of an archive's content before it is read."""
    with zipfile.ZipFile(file) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > _MAX_EXPANSION * file.stat().st_size:
        raise IntegrityError(
            f"{file}: expected at most {_MAX_EXPANSION} times its own size, got "
            f"{size:,} bytes when expanded"
        )


def read_config(init: PretrainedConfig) -> dict[str, Any]:
    """Returns the folder's ``config.json``."""
    file = init.path / CONFIG
    try:
        config = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{file}: not JSON: {error}") from None
    if not isinstance(config, dict):
        raise IntegrityError(f"{file}: expected a mapping, got {type(config).__name__}")
    return config


def whole_number(values: Mapping[str, Any], name: str, file: Path) -> int:
    """Returns a whole number of a folder's config.

    Raises:
        IntegrityError: the value is missing or of another type.
    """
    value = values.get(name)
    if type(value) is not int:
        raise IntegrityError(
            f"{file}: expected a whole number for {name}, got {value!r}"
        )
    return value


def check_shape(
    config: ModelConfig, wanted: Mapping[str, Any], *, longest: int, file: Path
) -> None:
    """Compares a model with the pretrained folder.

    Args:
        config: the model.
        wanted: the folder's values, by the name of the model's field.
        longest: the folder's number of positions; a model may have fewer.
        file: the folder's config, for messages.

    Raises:
        ConfigError: they differ; the message lists all differences.
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
    differences = [
        f"{name} is {ours}, not {theirs}"
        for name, ours, theirs in pairs
        if ours != theirs
    ]
    if config.sequence_length > longest:
        differences.append(
            f"sequence_length is {config.sequence_length}, above {longest}"
        )
    if not config.is_classic:
        differences.append("its blocks are not those of recipe classic")
    if differences:
        values = ", ".join(f"{name}: {value}" for name, value in wanted.items())
        raise ConfigError(
            f"model: does not fit {file}: {'; '.join(differences)}; set {{{values}}}"
        )
