"""Pretrained folders: Hugging Face or KerasHub weights that a stage starts from.

Standard library only, because a plan names the files. Weights are read from safetensors
and npz only: loading a pickle can run code, and HDF5 does not notice flipped bits.

Reading order: ``files`` (tensors and config), ``huggingface`` and ``keras_hub`` (names
and shapes), ``warm_start``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from textmill.models.errors import ConfigError, IntegrityError
from textmill.models.paths import FilePath
from textmill.models.vocabulary_files import check_links, vocabulary_files

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
    """A folder with pretrained weights. Give one of the two."""

    huggingface: FilePath | None = None
    """A Hugging Face folder of BERT, with or without its masked-LM head, or GPT-2:
    config.json, safetensors and vocabulary, which vocabulary.file must name too."""
    keras_hub: FilePath | None = None
    """A KerasHub preset folder of a BERT or GPT-2 backbone: config.json, vocabulary,
    and model.weights.npz or model.safetensors, with weights named by their paths."""

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
            ConfigError: the folder has neither safetensors nor npz files.
            IntegrityError: the index names a file in another folder.
        """
        for name in _WEIGHTS[self.kind]:
            if (file := self.path / name).is_file():
                return [file]
        if (index := self.path / _INDEX).is_file() and self.kind == "huggingface":
            return _parts(index)
        wanted = " or ".join(_WEIGHTS[self.kind])
        others = sorted(f.name for end in _REFUSED for f in self.path.glob(end))
        present = (
            f"{', '.join(others)}, which cannot be read safely" if others else "none"
        )
        raise ConfigError(
            f"init.{self.kind}: expected {wanted} in {self.path}, found {present}; "
            f"convert them where you trust them: {_CONVERT[self.kind]}"
        )

    def files(self) -> list[Path]:
        """Returns all files that a start from the folder reads, sorted.

        Raises:
            ConfigError: a file is missing.
            IntegrityError: a file is a link out of the folder.
        """
        if not (config := self.path / CONFIG).is_file():
            raise ConfigError(
                f"init.{self.kind}: expected {CONFIG} in {self.path}, found none; name "
                "a folder with config, weights and vocabulary"
            )
        index = [f for f in [self.path / _INDEX] if f.is_file()]
        own = {config, *index, *self.weight_files()}
        check_links(self.path, own)
        return sorted({*own, *vocabulary_files(self.path)})


def _parts(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        strange = [n for n in names if not re.fullmatch(r"[\w.-]+\.safetensors", n)]
    except (
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
        RecursionError,
    ) as error:
        raise IntegrityError(f"{index}: not an index of weights ({error!r})") from None
    files = [index.parent / name for name in names]
    absent = [
        name for name, file in zip(names, files, strict=True) if not file.is_file()
    ]
    if strange or absent:
        name = (strange or absent)[0]
        raise IntegrityError(
            f"{index}: names {name!r}, expected a file in the same folder"
        )
    return files
