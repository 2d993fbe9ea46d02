"""Cache keys: everything that a node's result depends on.

A key covers the component's config, the digests of its inputs (not their keys: an input
rebuilt to the same digest changes nothing downstream), the content of external files,
the source code that runs, and the versions of the libraries that it imports.

The location of a project is not part of a key. A path to a component's external files
enters relative to their common folder, because their content is hashed in full; any
other absolute path is a destination and enters relative to the root folder. So moving a
project together with its root runs nothing again, but a new destination does.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from textmill.components.base import Channel, Component, ExternalVersion
from textmill.components.manifest import canonical_json
from textmill.models.errors import TextmillError
from textmill.pipeline.cache.code_digest import CodeReader
from textmill.pipeline.cache.diff import Parts
from textmill.pipeline.cache.file_digests import (
    FileDigests,
    common_folder,
    outside_libraries,
)
from textmill.pipeline.secrets import hide_secrets, resolve_secrets, secret_values
from textmill.pipeline.store import MetadataStore

_KEY_LENGTH = 12
T = TypeVar("T")


class Keys:
    """Computes the parts of cache keys; digests of files and code are remembered."""

    def __init__(self, root: Path, store: MetadataStore) -> None:
        self._root, self._store = root, store
        self._files = FileDigests(store)
        self._code = CodeReader(store.sources())
        self._num_sources = len(self._code.known)

    def parts(self, component: Component, inputs: Mapping[str, Any]) -> Parts:
        """Returns everything that a node's key covers.

        Args:
            component: the node.
            inputs: the digest of every input, or a mapping of them.

        Raises:
            ConfigError: an external file is missing.
        """
        try:
            return self._parts(component, inputs)
        except TextmillError as error:
            secrets = secret_values(component.config)
            raise type(error)(hide_secrets(str(error), secrets)) from None

    def _parts(self, component: Component, inputs: Mapping[str, Any]) -> Parts:
        config = resolve_secrets(component.config)
        files = type(component).external_files(config)
        code = self._code.read(type(component).__module__)
        if len(self._code.known) > self._num_sources:
            self._store.remember_sources(self._code.known)
            self._num_sources = len(self._code.known)
        return {
            "component": type(component).__name__,
            "config": _to_json(component.config, self._relative_paths(files)),
            "inputs": dict(inputs),
            "files": self._read_external(
                type(component), component.config, files, inputs
            ),
            "code": dict(code.modules),
            "libraries": dict(code.libraries),
        }

    def external(
        self, component: type[Component], config: Any, inputs: Mapping[str, Any]
    ) -> dict[str, str]:
        """Returns the current digests of a component's external files and versions.

        Args:
            component: the node's class.
            config: its config, secrets unresolved; no name contains one.
            inputs: the digest of every input, or a mapping of them.

        Raises:
            ConfigError: a file is missing.
        """
        files = component.external_files(resolve_secrets(config))
        return self._read_external(component, config, files, inputs)

    def _read_external(
        self,
        component: type[Component],
        config: Any,
        files: Sequence[Path | ExternalVersion],
        inputs: Mapping[str, Any],
    ) -> dict[str, str]:
        versions = component.external_versions(resolve_secrets(config), inputs)
        digests = self._files.read([*files, *versions])
        secrets = secret_values(config)
        return {hide_secrets(name, secrets): digests[name] for name in digests}

    def _relative_paths(
        self, files: Sequence[Path | ExternalVersion]
    ) -> Callable[[str], str]:
        """Returns a function that makes the absolute paths of a config relative."""
        paths = [
            os.path.abspath(f) for f in files if not isinstance(f, ExternalVersion)
        ]
        own_paths = outside_libraries(paths)
        parent = common_folder(own_paths) if own_paths else self._root

        def to_relative(text: str) -> str:
            if not os.path.isabs(text) or text == os.sep:
                return text
            literal = re.split(r"[*?\[{]", text)[0]
            is_external = any(path.startswith(literal) for path in paths)
            return os.path.relpath(text, parent if is_external else self._root)

        return to_relative


def cache_key(parts: Parts) -> str:
    """Returns a key: the first 12 hexadecimal digits of the hash of its parts."""
    return hashlib.sha256(canonical_json(parts)).hexdigest()[:_KEY_LENGTH]


def map_inputs(
    component: Component, value: Callable[[Channel], T]
) -> dict[str, T | dict[str, T]]:
    """Returns a value for every channel of a component, shaped like its inputs."""
    return {
        name: {key: value(channel) for key, channel in wire.items()}
        if isinstance(wire, Mapping)
        else value(wire)
        for name, wire in component.inputs.items()
        if wire is not None
    }


def _to_json(value: Any, to_relative: Callable[[str], str]) -> Any:
    """Returns a config as plain JSON values, paths made relative."""
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {f.name: _to_json(getattr(value, f.name), to_relative) for f in fields}
    if isinstance(value, Mapping):
        return {str(key): _to_json(inner, to_relative) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(inner, to_relative) for inner in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_to_json(inner, to_relative) for inner in value)
    if isinstance(value, (str, Path)):
        return to_relative(str(value))
    return value
