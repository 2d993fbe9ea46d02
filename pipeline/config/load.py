"""Loading: one YAML file and ``--set`` become frozen dataclasses, strictly.

Every error is reported at once, as ``file:line:column path: expected, got``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textmill.models.errors import ConfigError
from textmill.pipeline.config.errors import Violations
from textmill.pipeline.config.references import check_references
from textmill.pipeline.config.schema import PipelineConfig
from textmill.pipeline.config.types import check_types
from textmill.pipeline.config.yaml import Position, Tree, join, override, read_yaml
from textmill.pipeline.secrets import REFERENCE

_PATHS = re.compile(
    r"datasets\.\w+\.(source|sources\.\w+)\.("
    r"(jsonl|csv|tsv|txt|parquet|tfrecord)(\.(train|eval|test))?(\.\d+)?"
    r"|folder|data_dir)"
    r"|datasets\.\w+\.augment\.synonyms|datasets\.\w+\.clean\.quality\.c4\.bad_words"
    r"|datasets\.\w+\.profile\.(schema|baseline)"
    r"|vocabulary\.file|stages\.\w+\.(push\.to|init\.(huggingface|keras_hub))"
)


@dataclass(frozen=True)
class LoadedConfig:
    """A checked file: what it means, and where each of its values was written."""

    config: PipelineConfig
    """The values, with absolute paths and unresolved ``${env:NAME}`` references."""
    positions: Mapping[str, Position]
    """By dotted path (``stages.library.train.epochs``, ``slices.0``)."""
    path: Path
    """The YAML file."""
    raw: dict[str, Any]
    """The values as written, overrides applied: relative paths and no defaults."""


def load_config(
    path: Path, overrides: Sequence[str] = (), *, with_environment: bool = True
) -> LoadedConfig:
    """Reads and checks a config.

    Args:
        path: the YAML file.
        overrides: assignments ``a.b=v`` that replace or add values, in order.
        with_environment: whether what ``${env:NAME}`` refers to must be set here.

    Raises:
        ConfigError: it holds mistakes; the message has one line for each.
    """
    text = _read_text(path)
    return parse_config(text, path, overrides, with_environment=with_environment)


def parse_config(
    text: str,
    path: Path,
    overrides: Sequence[str] = (),
    *,
    with_environment: bool = True,
    working_dir: Path | None = None,
) -> LoadedConfig:
    """Reads and checks the text of a config that stands, or might, in a file.

    Args:
        text: the YAML.
        path: the file, which relative paths are relative to.
        overrides: assignments ``a.b=v``.
        with_environment: whether what ``${env:NAME}`` refers to must be set here.
        working_dir: what relative paths of overrides are relative to; None is where
            the process works.

    Raises:
        ConfigError: it holds mistakes; the message has one line for each.
    """
    tree = read_yaml(text, str(path))
    for assignment in overrides:
        override(tree, assignment)
    findings = Violations(tree)
    check_references(tree.value, findings, with_environment=with_environment)
    values = with_absolute_paths(tree, path.absolute().parent, working_dir)
    config = check_types(values, PipelineConfig, findings)
    findings.raise_any(str(path))
    assert config is not None
    return LoadedConfig(config, tree.positions, path, tree.value)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise ConfigError(f"{path}: expected a YAML file, found none") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: expected UTF-8, got other bytes at offset {error.start}"
        ) from None


def with_absolute_paths(
    tree: Tree, folder: Path, working_dir: Path | None = None
) -> Any:
    """Returns a tree's values with absolute paths: the one place that resolves them.

    A path in the file is relative to the file's folder; one given by ``--set`` to the
    working directory, as on any command line. URIs stay as they are.
    """

    here = working_dir or Path.cwd()

    def walk(value: Any, path: str) -> Any:
        if isinstance(value, dict):
            return {key: walk(child, join(path, key)) for key, child in value.items()}
        if isinstance(value, list):
            return [walk(child, join(path, i)) for i, child in enumerate(value)]
        if not isinstance(value, str) or not _PATHS.fullmatch(path):
            return value
        known = REFERENCE.sub(lambda found: os.environ.get(found[1], ""), value)
        if "://" in known or os.path.isabs(known):
            return value
        return os.path.normpath((folder if tree.positions[path].line else here) / value)

    return walk(tree.value, "")
