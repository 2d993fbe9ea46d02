"""Installed packages: the files of their Python source."""

from __future__ import annotations

import importlib.util
import os
import re
import sysconfig
from collections.abc import Iterator

from textmill.components.ingester.sources.config import SourceConfig
from textmill.components.ingester.sources.files import SourceFile
from textmill.models.errors import ConfigError, did_you_mean

_NOT_DOCUMENTATION = re.compile(
    r"__pycache__|include|(site|dist)-packages|tests?|testing|idlelib|lib2to3|turtledemo"
    r"|_api|_tf_keras|_vendor(ed)?|externals"
)
_GENERATED = ("_pb2.py", "_pb2_grpc.py", "_test.py")


def find_files(source: SourceConfig) -> list[SourceFile]:
    """Returns the Python files of the packages that a source names, sorted by path.

    Raises:
        ConfigError: a package is not installed.
    """
    paths = {file for name in source.patterns for file in source_files(name)}
    return [
        SourceFile(path, name, "docstrings", size=os.path.getsize(path))
        for path, name in sorted(paths)
    ]


def source_files(name: str) -> Iterator[tuple[str, str]]:
    """Yields path and name of the source of an installed package, without importing it.

    Raises:
        ConfigError: no such package is installed.
    """
    if name == "stdlib":
        yield from _python_files(sysconfig.get_paths()["stdlib"], name)
        return
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None:
        raise ConfigError(
            f"source.docstrings: no package {name!r} is installed"
            f"{did_you_mean(name, _installed())}"
        )
    for folder in spec.submodule_search_locations or ():
        yield from _python_files(folder, name)
    if not spec.submodule_search_locations and str(spec.origin).endswith(".py"):
        yield str(spec.origin), f"{name}.py"


def _installed() -> list[str]:
    from importlib.metadata import packages_distributions

    return ["stdlib", *packages_distributions()]


def _python_files(root: str, library: str) -> Iterator[tuple[str, str]]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not _is_skipped(folder, name)]
        for file in files:
            if file.endswith(".py") and not file.endswith(_GENERATED):
                path = os.path.join(folder, file)
                name = path[len(root) :].lstrip(os.sep).replace(os.sep, "/")
                yield path, f"{library}/{name}"


def _is_skipped(folder: str, name: str) -> bool:
    """Returns whether a folder holds tests, vendored code or re-exports."""
    is_keras_api = name == "api" and os.path.basename(folder).startswith("keras")
    is_vendored_keras = name == "keras" and folder.endswith("tensorflow/python")
    skipped = is_keras_api or is_vendored_keras
    return skipped or bool(_NOT_DOCUMENTATION.fullmatch(name))
