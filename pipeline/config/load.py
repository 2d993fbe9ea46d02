"""Loading: one YAML file and ``--set`` become frozen dataclasses, strictly.

Every error is reported at once, as ``file:line:column path: expected, got``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textmill.models.errors import ConfigError
from textmill.pipeline.config.errors import Violations
from textmill.pipeline.config.references import check_references
from textmill.pipeline.config.schema import PipelineConfig
from textmill.pipeline.config.types import check_types, map_paths, run_checks
from textmill.pipeline.config.yaml import MAX_BYTES, Position, Tree, override, read_yaml
from textmill.pipeline.secrets import REFERENCE
from textmill.pipeline.text_files import is_data


@dataclass(frozen=True)
class LoadedConfig:
    """A checked file: its values, and the position of each in the file."""

    config: PipelineConfig
    """The values, with absolute paths and unresolved ``${env:NAME}`` references."""
    positions: Mapping[str, Position]
    """Positions by dotted path (``stages.library.train.epochs``, ``slices.0``)."""
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
        with_environment: whether the variables of ``${env:NAME}`` must be set here.

    Raises:
        ConfigError: the config has mistakes; the message has one line for each.
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
    """Reads and checks the text of a config.

    Args:
        text: the YAML.
        path: the file; relative paths start from its folder.
        overrides: assignments ``a.b=v``.
        with_environment: whether the variables of ``${env:NAME}`` must be set here.
        working_dir: start of the relative paths of overrides; None is the working
            directory.

    Raises:
        ConfigError: the config has mistakes; the message has one line for each.
    """
    tree = read_yaml(text, str(path))
    for assignment in overrides:
        override(tree, assignment)
    violations = Violations(tree)
    check_references(tree.value, violations, with_environment=with_environment)
    run_checks(tree.value, PipelineConfig, violations)
    values = with_absolute_paths(tree, path.absolute().parent, working_dir)
    config = check_types(values, PipelineConfig, violations)
    violations.raise_any(str(path))
    assert config is not None
    return LoadedConfig(config, tree.positions, path, tree.value)


def _read_text(path: Path) -> str:
    if is_data(path.name):
        raise ConfigError(
            f"{path}: expected a YAML file, got data; `textmill init {path}` writes a "
            "config for it"
        )
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise ConfigError(f"{path}: expected a YAML file, found none") from None
    except OSError as error:
        raise ConfigError(
            f"{str(path)[:200]}: expected a YAML file, got none that can be read "
            f"({error.strerror})"
        ) from None
    if len(data) > MAX_BYTES:
        raise ConfigError(
            f"{path}: expected a YAML file of at most {MAX_BYTES:,} bytes, got more"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: expected UTF-8, got other bytes at offset {error.start}"
        ) from None


def with_absolute_paths(
    tree: Tree, folder: Path, working_dir: Path | None = None
) -> Any:
    """Returns a tree's values with absolute paths; nothing else resolves them.

    A path in the file is relative to the file's folder, a path of ``--set`` to the
    working directory. URLs stay as they are.
    """

    def resolve(path: str, text: str) -> str:
        known = REFERENCE.sub(lambda match: os.environ.get(match[1], ""), text)
        if "://" in known or os.path.isabs(known):
            return text
        is_in_file = tree.positions[path].line > 0
        # The working directory may be gone, which matters to relative paths alone.
        start = folder if is_in_file else working_dir or Path.cwd()
        return os.path.normpath(start / text)

    return map_paths(tree.value, PipelineConfig, resolve)
