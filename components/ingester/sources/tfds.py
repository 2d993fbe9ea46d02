"""TensorFlow Datasets: the files of a data set that tfds has prepared on this machine.

Read from the files themselves (``dataset_info.json``, ``features.json``,
``*.labels.txt`` and the shards): nothing is downloaded, and neither tfds nor TensorFlow
is imported.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.sources.files import SourceFile
from textmill.models.errors import ConfigError, IntegrityError, did_you_mean

SPLITS = {"train": "train", "validation": "eval", "test": "test"}
"""The splits of tfds that are read, and ours; ``unsupervised`` and others are not."""

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
_INFO, _FEATURES = "dataset_info.json", "features.json"


@dataclass(frozen=True)
class Prepared:
    """A prepared data set."""

    folder: str
    shards: dict[str, tuple[str, int]]
    """The split and the number of examples of every shard that is read, by file."""
    labels: dict[str, tuple[str, ...]]
    """The names of the classes, by column."""
    flags: frozenset[str]
    """Columns that are true or false, stored as numbers."""
    described_by: tuple[str, ...]
    """The files of this description, sorted."""


def find_files(source: SourceConfig) -> list[SourceFile]:
    """Returns the shards of a prepared data set.

    Raises:
        ConfigError: it is not prepared.
        IntegrityError: a shard is missing, or its description is damaged.
    """
    prepared = read_prepared(find_folder(source))
    files = []
    for name, (split, _) in sorted(prepared.shards.items()):
        path = os.path.join(prepared.folder, name)
        if not os.path.isfile(path):
            raise IntegrityError(
                f"{path}: the shard is missing; prepare the data set again"
            )
        size = os.path.getsize(path)
        file = SourceFile(path, name, "tfds", split, size)
        files.append(file._replace(described_by=prepared.described_by))
    return files


def find_folder(source: SourceConfig) -> str:
    """Returns the folder of the version that a source names, the newest by default.

    Raises:
        ConfigError: it is not prepared, or has several configs and none is named.
    """
    wanted, _, version = str(source.tfds).partition(":")
    data_dir = source.data_dir or os.environ.get("TFDS_DATA_DIR")
    root = os.path.abspath(data_dir or os.path.expanduser("~/tensorflow_datasets"))
    folder = os.path.normpath(os.path.join(root, *wanted.split("/")))
    if os.path.commonpath([root, folder]) != root or folder == root:
        raise ConfigError(f"source.tfds: expected name/config:version, got {wanted!r}")
    folders = _folders(folder)
    versions = [name for name in folders if _VERSION.fullmatch(name)]
    if not versions and "/" not in wanted:
        configs = [
            n for n in folders if any(map(_VERSION.fullmatch, _below(folder, n)))
        ]
        if len(configs) > 1:
            raise ConfigError(
                f"source.tfds: {wanted} is prepared as {', '.join(configs)}; write "
                f"{wanted}/{configs[0]} or another of them"
            )
        if configs:
            folder = os.path.join(folder, configs[0])
            versions = [n for n in _folders(folder) if _VERSION.fullmatch(n)]
    version = version or max(versions, key=_numbers, default="")
    if version not in versions:
        raise _not_prepared(str(source.tfds), root, wanted, versions)
    return os.path.join(folder, version)


def _below(folder: str, name: str) -> list[str]:
    return _folders(os.path.join(folder, name))


def _folders(folder: str) -> list[str]:
    if not os.path.isdir(folder):
        return []
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _not_prepared(
    asked: str, root: str, wanted: str, versions: list[str]
) -> ConfigError:
    if versions:
        hint = f"; there: {', '.join(sorted(versions, key=_numbers))}"
    else:
        hint = did_you_mean(wanted.partition("/")[0], _folders(root))
    return ConfigError(
        f"source.tfds: {asked} is not prepared in {root}{hint}; prepare it with: "
        f"tfds build {asked} --data_dir={root}"
    )


def read_prepared(folder: str) -> Prepared:
    """Reads the description of a prepared data set.

    Raises:
        ConfigError: it has none of the splits, or its files are not TFRecords.
        IntegrityError: its description is damaged.
    """
    try:
        changed = os.stat(os.path.join(folder, _INFO)).st_mtime_ns
    except OSError as error:
        raise _damaged(os.path.join(folder, _INFO), error) from None
    return _read_prepared(folder, changed)


@lru_cache(maxsize=16)
def _read_prepared(folder: str, changed: int) -> Prepared:
    info = _json(os.path.join(folder, _INFO))
    kind = info.get("fileFormat", "tfrecord")
    if kind != "tfrecord":
        raise ConfigError(
            f"{folder}: prepared as {kind} files; expected tfrecord: prepare it again "
            "with --file_format=tfrecord"
        )
    try:
        shards = dict(_shards(info))
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(os.path.join(folder, _INFO), error) from None
    if not shards:
        names = ", ".join(split["name"] for split in info["splits"]) or "none"
        raise ConfigError(
            f"{folder}: expected one of the splits {', '.join(SPLITS)}, found {names}"
        )
    described_by, labels, flags = [_INFO], {}, set()
    if os.path.exists(os.path.join(folder, _FEATURES)):
        described_by.append(_FEATURES)
        features = _json(os.path.join(folder, _FEATURES))
        for path, feature in _leaves(features, ()):
            file = f"{'-'.join(path)}.labels.txt"
            if "classLabel" in feature and os.path.exists(os.path.join(folder, file)):
                described_by.append(file)
                labels["/".join(path)] = _lines(os.path.join(folder, file))
            if feature.get("tensor", {}).get("dtype") == "bool":
                flags.add("/".join(path))
    files = tuple(os.path.join(folder, name) for name in sorted(described_by))
    return Prepared(folder, shards, labels, frozenset(flags), files)


def _lines(path: str) -> tuple[str, ...]:
    try:
        with open(path, encoding="utf-8") as file:
            return tuple(line.strip() for line in file if line.strip())
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from None


def _json(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
        if not isinstance(value, dict):
            raise ValueError("expected an object")
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from None
    return value


def _damaged(path: str, error: Exception) -> IntegrityError:
    return IntegrityError(
        f"{path}: not what tfds writes ({error!r}); prepare the data set again"
    )


def _shards(info: dict[str, Any]) -> Iterator[tuple[str, tuple[str, int]]]:
    for split in info["splits"]:
        lengths = [int(length) for length in split.get("shardLengths", ())]
        if split["name"] in SPLITS:
            for i, length in enumerate(lengths):
                name = _shard_name(info["name"], split, i, len(lengths))
                yield name, (SPLITS[split["name"]], length)


def _shard_name(dataset: str, split: dict[str, Any], i: int, num_shards: int) -> str:
    parts = {
        "DATASET": dataset,
        "SPLIT": split["name"],
        "FILEFORMAT": "tfrecord",
        "SHARD_INDEX": f"{i:05}",
        "NUM_SHARDS": f"{num_shards:05}",
        "SHARD_X_OF_Y": f"{i:05}-of-{num_shards:05}",
    }
    template = split.get("filepathTemplate", _TEMPLATE)
    name = re.sub(r"\{(\w+)\}", lambda part: parts[part[1]], template)
    if os.path.basename(name) != name:
        raise ValueError(f"the file name {name!r}")
    return name


def _leaves(
    feature: dict[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    inner = feature.get("featuresDict", {}).get("features")
    if inner is None:
        yield path, feature
        return
    for name, child in inner.items():
        yield from _leaves(child, (*path, name))
