"""Folders as the Hugging Face Hub lays them out: formats and splits by file name.

A file's ending gives its format; a word of its name, or of a folder's above it, gives
its split: ``data/train-00000-of-00002.parquet``, ``validation/a.jsonl.gz``,
``test.csv``. A file that names none belongs to no split.
"""

from __future__ import annotations

import os
import re

from textmill.components import filesystem
from textmill.components.filesystem import is_remote
from textmill.components.ingester.readers import READERS
from textmill.components.ingester.readers.compression import compression
from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.sources.files import (
    SourceFile,
    check_ending,
    check_links,
    similar_path,
)
from textmill.models.errors import ConfigError, did_you_mean

_SHARD = re.compile(r"-\d+-of-\d+$")
_IGNORED = re.compile(
    r"[._].*|(readme|licen[cs]e|copying|notice|citation|changelog)\b.*|requirements\.txt"
    r"|.*\.(md|rst|py|ya?ml|bib|html|png|jpe?g|svg)"
    r"|(dataset_infos?|dataset_dict|state|metadata|config|croissant)\.json",
    re.IGNORECASE,
)
_WORDS = {
    "train": ("train", "training"),
    "eval": ("validation", "valid", "val", "dev", "eval", "evaluation"),
    "test": ("test", "testing"),
}
_SPLIT_OF = {word: split for split, words in _WORDS.items() for word in words}
_WORD = re.compile(r"[A-Za-z]+")


def find_files(source: SourceConfig) -> list[SourceFile]:
    """Returns the data files of a folder, sorted by name.

    Raises:
        ConfigError: the folder does not exist, holds no data, or a file of an unknown
            format.
    """
    folder = str(source.folder).rstrip("/")
    stored: dict[str, tuple[str, int, str | None]]
    if is_remote(folder):
        stored = {
            path[len(folder) + 1 :]: (path, size, identity)
            for path, size, identity in filesystem.find(folder)
        }
    else:
        folder = os.path.abspath(folder.removeprefix("file://"))
        paths = {name: os.path.join(folder, name) for name in _walk(folder)}
        stored = {n: (path, os.path.getsize(path), None) for n, path in paths.items()}
    files = []
    for name in sorted(filter(is_data, stored)):
        path, size, identity = stored[name]
        format = format_of(name, where=folder)
        check_ending(path, format)
        files.append(SourceFile(path, name, format, split_of(name), size, identity))
    if not files:
        raise ConfigError(f"{folder}: expected data files in the folder, found none")
    return files


def _walk(folder: str) -> list[str]:
    """Returns the relative paths of all files below a folder, sorted.

    Raises:
        ConfigError: the folder does not exist, or a link in it leads out of it.
    """
    if not os.path.isdir(folder):
        raise ConfigError(f"{folder}: no such folder{similar_path(folder)}")
    files: list[str] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        paths = [os.path.join(parent, name) for name in names]
        files += [path for path in paths if os.path.isfile(path)]
        inner = [os.path.join(parent, name) for name in folders]
        check_links(os.path.join(folder, "*"), list(filter(os.path.islink, inner)))
    check_links(os.path.join(folder, "*"), files)
    return sorted(os.path.relpath(path, folder).replace(os.sep, "/") for path in files)


def is_data(name: str) -> bool:
    """Returns whether a file is data, not a card, a licence or hidden."""
    *folders, file = name.split("/")
    hidden = any(part.startswith((".", "_")) for part in folders)
    return not hidden and not _IGNORED.fullmatch(file)


def format_of(name: str, *, where: str) -> str:
    """Returns the format of a file by its ending.

    Raises:
        ConfigError: no format has this ending.
    """
    formats = {end: name for name, row in READERS.items() for end in row.endings}
    bare = _SHARD.sub("", name.removesuffix(compression(name) or ""))
    ending = os.path.splitext(_SHARD.sub("", bare))[1].lower()
    if ending in formats:
        return formats[ending]
    hint = did_you_mean(ending, list(formats))
    if ending == ".arrow":
        hint = "; write it as parquet with datasets' Dataset.to_parquet"
    raise ConfigError(
        f"{where}/{name}: expected a file that ends in {', '.join(formats)}, plain or "
        f"compressed{hint}"
    )


def split_of(name: str) -> str | None:
    """Returns the split that a file's name, else its nearest folder's, names."""
    for part in reversed(name.split("/")):
        words = [word.lower() for word in _WORD.findall(part)]
        if splits := {_SPLIT_OF[word] for word in words if word in _SPLIT_OF}:
            return splits.pop() if len(splits) == 1 else None
    return None
