"""Pretrained folders: weights that others trained become the start of a stage.

Standard library only, so that a plan can name the files. Weights are read from
safetensors and npz alone: a pickle runs code when it is read, and HDF5 takes flipped
bits for numbers.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from textmill.models.errors import ConfigError, IntegrityError
from textmill.models.paths import FilePath
from textmill.models.vocabulary_files import vocabulary_files

CONFIG = "config.json"
_INDEX = "model.safetensors.index.json"
_WEIGHTS = {
    "huggingface": ("model.safetensors",),
    "keras_hub": ("model.weights.npz", "model.safetensors"),
}
_REFUSED = (
    "*.bin",
    "*.pt",
    "*.pth",
    "*.ckpt",
    "*.pkl",
    "*.h5",
    "*.keras",
    "*.msgpack",
    "*.pb",
)
_CONVERT = {
    "huggingface": "model.save_pretrained(folder, safe_serialization=True)",
    "keras_hub": (
        "numpy.savez('model.weights.npz', **{v.path: v.numpy() for v in "
        "backbone.weights})"
    ),
}


@dataclass(frozen=True, kw_only=True)
class PretrainedConfig:
    """A folder of weights that others trained. Give one of the two."""

    huggingface: FilePath | None = None
    """A Hugging Face folder of BERT, with or without its masked-LM head, or GPT-2:
    config.json, safetensors, and its vocabulary, which is the file's
    (vocabulary.file)."""
    keras_hub: FilePath | None = None
    """A KerasHub preset folder of a BERT or GPT-2 backbone: config.json, vocabulary,
    and model.weights.npz or model.safetensors with its weights by their paths."""

    def __post_init__(self) -> None:
        if (self.huggingface is None) == (self.keras_hub is None):
            raise ValueError("either huggingface or keras_hub")

    @property
    def kind(self) -> str:
        """``huggingface`` or ``keras_hub``."""
        return "keras_hub" if self.huggingface is None else "huggingface"

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.huggingface or self.keras_hub or "")

    def weight_files(self) -> list[Path]:
        """Returns the files with the weights.

        Raises:
            ConfigError: there are none of a kind that is read.
            IntegrityError: the index of several files names one elsewhere.
        """
        for name in _WEIGHTS[self.kind]:
            if (file := self.path / name).is_file():
                return [file]
        if (index := self.path / _INDEX).is_file() and self.kind == "huggingface":
            return _parts(index)
        wanted = " or ".join(_WEIGHTS[self.kind])
        others = sorted(f.name for end in _REFUSED for f in self.path.glob(end))
        found = f"{', '.join(others)}, which is not opened" if others else "none"
        raise ConfigError(
            f"init.{self.kind}: expected {wanted} in {self.path}, found {found}; "
            f"write it where those weights are at home: {_CONVERT[self.kind]}"
        )

    def files(self) -> list[Path]:
        """Returns every file that a start from the folder reads, sorted.

        Raises:
            ConfigError: one is missing.
        """
        if not (config := self.path / CONFIG).is_file():
            raise ConfigError(
                f"init.{self.kind}: expected {CONFIG} in {self.path}, found none; name "
                "a folder with config, weights and vocabulary"
            )
        index = [f for f in [self.path / _INDEX] if f.is_file()]
        return sorted(
            {config, *index, *self.weight_files(), *vocabulary_files(self.path)}
        )


def _parts(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        strange = [n for n in names if not re.fullmatch(r"[\w.-]+\.safetensors", n)]
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise IntegrityError(f"{index}: not an index of weights ({error!r})") from None
    files = [index.parent / name for name in names]
    absent = [
        name for name, file in zip(names, files, strict=True) if not file.is_file()
    ]
    if strange or absent:
        name = (strange or absent)[0]
        raise IntegrityError(f"{index}: names {name!r}, not a file beside it")
    return files
