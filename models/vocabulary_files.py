"""The files that a vocabulary elsewhere is made of: found without reading any.

Standard library only, so that a plan can name them. Files of other names, pickles among
them, are never opened.
"""

from __future__ import annotations

from pathlib import Path

from textmill.models.errors import ConfigError

_KERAS_HUB = "assets/tokenizer"
_TEXT = ("vocab.txt", f"{_KERAS_HUB}/vocabulary.txt")
_PAIRS = (
    ("vocab.json", "merges.txt"),
    (f"{_KERAS_HUB}/vocabulary.json", f"{_KERAS_HUB}/merges.txt"),
)
_MODELS = (
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    f"{_KERAS_HUB}/vocabulary.spm",
)
TOKENIZER_JSON = "tokenizer.json"
SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", TOKENIZER_JSON)


def find_entries(path: Path) -> list[Path]:
    """Returns the files that hold the entries: one, or a vocabulary and its merges.

    Args:
        path: one of the files, or a Hugging Face or KerasHub folder.

    Raises:
        ConfigError: there is nothing of the kind.
    """
    if path.is_file():
        merges = path.with_name("merges.txt")
        is_pair = path.name in ("vocab.json", "vocabulary.json") and merges.is_file()
        return [path, merges] if is_pair else [path]
    if not path.is_dir():
        raise ConfigError(
            f"vocabulary.file: expected a file or folder, found none at {path}"
        )
    single = [(name,) for name in (*_TEXT, *_MODELS, TOKENIZER_JSON)]
    for names in [*single[: len(_TEXT)], *_PAIRS, *single[len(_TEXT) :]]:
        files = [path / name for name in names]
        if all(file.is_file() for file in files):
            return files
    raise ConfigError(
        f"vocabulary.file: expected vocab.txt, vocab.json and merges.txt, spiece.model "
        f"or tokenizer.json in {path}, found none of them; name a Hugging Face or "
        f"KerasHub folder, or one of those files"
    )


def find_settings(path: Path) -> dict[str, Path]:
    """Returns the files beside the entries that say how text is treated, by name."""
    if path.name == TOKENIZER_JSON:
        return {TOKENIZER_JSON: path}
    found = {name: path / name for name in SETTINGS}
    return {name: file for name, file in found.items() if file.is_file()}


def vocabulary_files(path: Path) -> list[Path]:
    """Returns all files that an import reads, sorted.

    Raises:
        ConfigError: there is no vocabulary.
    """
    return sorted({*find_entries(path), *find_settings(path).values()})
