"""Folders: the files of a folder as the Hugging Face Hub lays them out.

The ending of a file tells its format; a word of its name, or of a folder's above it,
tells its split: ``data/train-00000-of-00002.parquet``, ``validation/a.jsonl.gz``,
``test.csv``. A file that names none belongs to no split.
"""

from __future__ import annotations

import os
import re

from textmill.components.ingester.readers.compression import compression
from textmill.models.errors import ConfigError, did_you_mean

_FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "txt",
    ".parquet": "parquet",
    ".tfrecord": "tfrecord",
    ".tfrecords": "tfrecord",
}
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


def is_data(name: str) -> bool:
    """Whether a path in the folder is data; cards, licences and hidden ones are not."""
    *folders, file = name.split("/")
    hidden = any(part.startswith((".", "_")) for part in folders)
    return not hidden and not _IGNORED.fullmatch(file)


def format_of(name: str, *, where: str) -> str:
    """Returns the format that a file's ending tells.

    Raises:
        ConfigError: it is none that is read.
    """
    bare = _SHARD.sub("", name.removesuffix(compression(name) or ""))
    ending = os.path.splitext(_SHARD.sub("", bare))[1].lower()
    if ending in _FORMATS:
        return _FORMATS[ending]
    hints = {
        ".json": "; if its lines are JSON objects, name it .jsonl",
        ".arrow": "; write it as parquet with datasets' Dataset.to_parquet",
    }
    hint = hints.get(ending) or did_you_mean(ending, list(_FORMATS))
    raise ConfigError(
        f"{where}/{name}: expected a file that ends in {', '.join(_FORMATS)}, plain or "
        f"compressed{hint}"
    )


def split_of(name: str) -> str | None:
    """Returns the split that a file's name, else its nearest folder's, names."""
    for part in reversed(name.split("/")):
        words = [word.lower() for word in _WORD.findall(part)]
        if splits := {_SPLIT_OF[word] for word in words if word in _SPLIT_OF}:
            return splits.pop() if len(splits) == 1 else None
    return None
