"""The models of a server: which versions answer, and how a newer one takes over.

A newer version loads in a process of its own and is warmed before it answers; then new
requests go to it, the older version answers those that it has, and its process ends,
which returns its memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textmill.components.server import CURRENT, ModelSource, ServerConfig
from textmill.components.server.errors import RequestError
from textmill.components.server.model_process import ModelProcess
from textmill.components.server.worker import WorkerOptions
from textmill.models.errors import ConfigError, TextmillError

Log = Callable[..., None]
_LONGEST_PAUSE = 60.0


@dataclass
class Version:
    """A version of a model, loaded or not."""

    model: str
    number: int
    folder: Path
    state: str = "LOADING"
    """As in TensorFlow Serving: LOADING, AVAILABLE, UNLOADING or END."""
    error: str = ""
    process: ModelProcess | None = None


@dataclass
class _Followed:
    """A source, and the version of it that answers."""

    source: ModelSource
    version: Version | None = None
    refused: Path | None = None
    """A folder that did not load: not tried again."""
    complaint: str = ""
    """Why no version was found, as logged last."""
    pause: float = 1.0
    """Seconds before a process that ended by itself is started again."""


@dataclass
class _Model:
    versions: dict[int, Version] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)


class ModelTable:
    """All models of a server by name.

    Args:
        sources: where versions come from; several of one name are one model.
        config: the server's choices.
        log: called with an event and its fields.
    """

    def __init__(
        self, sources: Sequence[ModelSource], config: ServerConfig, log: Log
    ) -> None:
        self._config, self._log = config, log
        self._followed = [_Followed(source) for source in sources]
        self._models = {source.name: _Model() for source in sources}
        self._unloading: set[asyncio.Task[None]] = set()

    def names(self) -> list[str]:
        """Returns the names of the models."""
        return list(self._models)

    def is_ready(self) -> bool:
        """Returns True if every source has a version that answers."""
        return all(
            f.version is not None and _is_available(f.version) for f in self._followed
        )

    def find(
        self, name: str, *, number: int | None = None, label: str | None = None
    ) -> Version:
        """Returns a version that answers, by default the current one.

        Raises:
            RequestError: there is none.
        """
        model = self._model(name)
        if label is not None:
            if label not in model.labels:
                raise RequestError(
                    "NOT_FOUND", f"Unrecognized servable version label: {label}"
                )
            number = model.labels[label]
        asked = f"Latest({name})" if number is None else f"Specific({name}, {number})"
        if number is None:
            available = [v.number for v in model.versions.values() if _is_available(v)]
            number = model.labels.get(CURRENT, max(available, default=None))
        version = None if number is None else model.versions.get(number)
        if version is None:
            raise RequestError("NOT_FOUND", f"Servable not found for request: {asked}")
        if not _is_available(version):
            raise RequestError(
                "UNAVAILABLE",
                f"{name}: version {number} is {version.state}; try again in a few "
                "seconds",
            )
        return version

    def versions(self, name: str) -> list[Version]:
        """Returns a model's versions, the newest first.

        Raises:
            RequestError: the server has none of this name.
        """
        versions = self._model(name).versions
        return [versions[number] for number in sorted(versions, reverse=True)]

    def labels(self, name: str) -> dict[str, int]:
        """Returns the labels of a model's versions."""
        return dict(self._model(name).labels)

    def _model(self, name: str) -> _Model:
        if (model := self._models.get(name)) is None:
            raise RequestError(
                "NOT_FOUND", f"Could not find any versions of model {name[:100]}"
            )
        return model

    def loaded(self) -> Iterator[Version]:
        """Yields the versions that have a process."""
        for model in self._models.values():
            for version in model.versions.values():
                if version.process is not None:
                    yield version

    async def load_all(self) -> None:
        """Loads a version of every source.

        Raises:
            TextmillError: one does not load, or has none.
        """
        for followed in self._followed:
            folder = await asyncio.to_thread(followed.source.find)
            if folder is None:
                name = followed.source.name
                raise ConfigError(f"serve: expected a pushed version of {name}")
            await self._load(followed, folder)

    async def watch(self) -> None:
        """Looks for newer versions and for processes that ended, for ever."""
        while True:
            await asyncio.sleep(self._config.poll_seconds)
            for followed in self._followed:
                await self._follow(followed)

    async def _follow(self, followed: _Followed) -> None:
        name = followed.source.name
        try:
            folder = await asyncio.to_thread(followed.source.find)
        except (TextmillError, OSError) as error:
            if str(error) != followed.complaint:
                followed.complaint = str(error)
                self._log("no_version", level="error", model=name, message=str(error))
            return
        version = followed.version
        is_alive = version is not None and _is_available(version)
        if version is not None and not is_alive:
            self._log("ended", level="error", model=name, version=version.number)
            await asyncio.sleep(followed.pause)
            followed.pause = min(2 * followed.pause, _LONGEST_PAUSE)
            folder = folder or version.folder
        elif folder is None or folder == (version and version.folder):
            return
        if folder == followed.refused and is_alive:
            return
        try:
            await self._load(followed, folder)
        except (TextmillError, OSError) as error:
            followed.refused = folder
            message = str(error)
            self._log("refused", level="error", model=name, message=message)

    async def _load(self, followed: _Followed, folder: Path) -> None:
        """Loads a version, lets it answer, and unloads the one before it."""
        name, model = followed.source.name, self._models[followed.source.name]
        number = int(folder.name) if folder.name.isdecimal() else 1
        version = model.versions.get(number)
        if version is None or not _is_available(version):
            version = Version(name, number, folder)
            before = model.versions.get(number)
            model.versions[number] = version
            try:
                version.process = await ModelProcess.start(self._options(folder))
            except TextmillError as error:
                version.state, version.error = "END", str(error)
                if before is not None and before is followed.version:
                    model.versions[number] = before
                raise
            version.state = "AVAILABLE"
            pid = version.process.pid
            self._log("loaded", model=name, version=number, pid=pid)
        previous, followed.version = followed.version, version
        followed.refused, followed.pause = None, 1.0
        if followed.source.label is not None:
            model.labels[followed.source.label] = number
        if previous is not None and previous is not version:
            self._unload_unused(previous)

    def _options(self, folder: Path) -> WorkerOptions:
        return WorkerOptions(
            folder=str(folder),
            trust=self._config.trust,
            num_threads=self._config.rows_at_once,
            num_streams=self._config.num_streams,
            is_background=any(True for _ in self.loaded()),
        )

    def _unload_unused(self, version: Version) -> None:
        """Ends a version's process after its requests, unless a source follows it."""
        if any(followed.version is version for followed in self._followed):
            return
        version.state = "UNLOADING"
        task = asyncio.create_task(self._unload(version))
        self._unloading.add(task)
        task.add_done_callback(self._unloading.discard)

    async def _unload(self, version: Version) -> None:
        assert version.process is not None
        await version.process.drain(self._config.request_seconds)
        await version.process.end()
        version.process, version.state = None, "END"
        versions = self._models[version.model].versions
        if versions.get(version.number) is version:
            del versions[version.number]
        self._log("unloaded", model=version.model, version=version.number)

    async def close(self) -> None:
        """Ends all processes."""
        for task in list(self._unloading):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for version in list(self.loaded()):
            assert version.process is not None
            await version.process.end()


def status_of(versions: Sequence[Version]) -> dict[str, Any]:
    """Returns the states of versions as TensorFlow Serving prints them."""
    return {
        "model_version_status": [
            {
                "version": str(version.number),
                "state": version.state,
                "status": {
                    "error_code": "UNKNOWN" if version.error else "OK",
                    "error_message": version.error,
                },
            }
            for version in versions
        ]
    }


def _is_available(version: Version) -> bool:
    return (
        version.state == "AVAILABLE"
        and version.process is not None
        and version.process.is_alive
    )
