"""Finds the files of a vocabulary to import, by name.

Standard library only, because a plan names them. Files with other names, such as
pickles, are never opened.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from textmill.models.errors import ConfigError, IntegrityError

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
TARGET_DIR = "target"
"""Folder in a vocabulary of the tokenizer of targets, where it is another one."""
ADDED_TOKENS = "added_tokens.json"
SETTINGS = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    TOKENIZER_JSON,
    ADDED_TOKENS,
)


def find_entries(path: Path) -> list[Path]:
    """Returns the vocabulary's file, or the vocabulary and its merges.

    Args:
        path: one of the files, or a Hugging Face or KerasHub folder.

    Raises:
        ConfigError: the path has no vocabulary.
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
    """Returns the files with a tokenizer's settings, by name."""
    if path.name == TOKENIZER_JSON:
        return {TOKENIZER_JSON: path}
    files = {name: path / name for name in SETTINGS}
    return {name: file for name, file in files.items() if file.is_file()}


def vocabulary_files(path: Path) -> list[Path]:
    """Returns all files that an import reads, sorted.

    Raises:
        ConfigError: the path has no vocabulary.
        IntegrityError: a file is a link out of the folder.
    """
    files = {*find_entries(path), *find_settings(path).values()}
    if path.is_dir():
        check_links(path, files)
    return sorted(files)


def check_links(folder: Path, files: Iterable[Path]) -> None:
    """Checks that files are in a folder, or among the blobs of its Hugging Face cache.

    A cache has ``models--NAME/snapshots/REVISION/FILE -> ../../blobs/HASH``.

    Raises:
        IntegrityError: a file is a link to another place.
    """
    allowed = [folder.resolve()]
    if allowed[0].parent.name == "snapshots":
        allowed.append(allowed[0].parents[1] / "blobs")
    for file in files:
        target = file.resolve()
        if not any(target.is_relative_to(place) for place in allowed):
            raise IntegrityError(
                f"{file}: links to {target}, expected a file in the folder; copy it "
                "there if it belongs to it"
            )
