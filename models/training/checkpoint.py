"""Checkpoints: every variable of a run and its cursor, committed by one rename.

``step-00000400/`` holds ``tensors.safetensors``, ``state.json``, and the SHA-256 of
both in ``digests.json``. The newest two are kept: if the last one is damaged, the
previous one is restored. A thread writes one checkpoint at a time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from textmill.models.errors import IntegrityError

_TENSORS, _STATE, _DIGESTS = "tensors.safetensors", "state.json", "digests.json"
_GENERATIONS = 2


class Snapshot(NamedTuple):
    """A copy of a run's state after a step."""

    step: int
    tensors: dict[str, np.ndarray]
    state: dict[str, Any]


class Checkpoints:
    """The checkpoints of one training run, below one folder.

    Args:
        folder: their folder; created by the first save.
        key: the cache key of config, data and code; the state of a run with another
            key is never loaded.
        writes: False in all workers but the chief, which restore the same state.

    Attributes:
        warnings: the unusable checkpoints, with reasons.
    """

    def __init__(self, folder: Path, *, key: str, writes: bool = True) -> None:
        self._folder, self._key, self._writes = folder, key, writes
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future[None] | None = None
        self.warnings: list[str] = []

    def save(self, snapshot: Snapshot) -> None:
        """Commits a checkpoint, then drops all but the newest two; waits for neither.

        Raises:
            OSError: the previous checkpoint could not be written.
        """
        self.join()
        if self._writes:
            self._writing = self._thread.submit(self._commit, snapshot)

    def join(self) -> None:
        """Waits until the last checkpoint is committed.

        Raises:
            OSError: it could not be written.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _commit(self, snapshot: Snapshot) -> None:
        final = self._folder / f"step-{snapshot.step:08d}"
        staging = final.with_suffix(".staging")
        for stale in (*self._folder.glob("*.staging"), *self._folder.glob(final.name)):
            shutil.rmtree(stale)
        staging.mkdir(parents=True)
        named = {
            "step": snapshot.step,
            "key": self._key,
            "state": snapshot.state,
        }
        files = {_TENSORS: save(snapshot.tensors), _STATE: json.dumps(named).encode()}
        digests = {name: _digest(data) for name, data in files.items()}
        for name, data in (files | {_DIGESTS: json.dumps(digests).encode()}).items():
            _write(staging / name, data)
        _sync_folder(staging)
        staging.rename(final)
        _sync_folder(self._folder)
        for old in self._generations()[_GENERATIONS:]:
            shutil.rmtree(old)

    def restore(self) -> Snapshot | None:
        """Returns the newest intact checkpoint, or None.

        Raises:
            IntegrityError: it was written under another config, by other code, or from
                other data.
        """
        for folder in self._generations():
            try:
                return self._read(folder)
            except (
                OSError,
                ValueError,
                KeyError,
                TypeError,
                SafetensorError,
            ) as error:
                self.warnings.append(f"{folder.name} is not usable ({error})")
        return None

    def _read(self, folder: Path) -> Snapshot:
        digests = json.loads((folder / _DIGESTS).read_bytes())
        files = {name: (folder / name).read_bytes() for name in (_TENSORS, _STATE)}
        for name, data in files.items():
            if _digest(data) != digests[name]:
                raise ValueError(f"{name} was truncated or altered")
        named = json.loads(files[_STATE])
        if named["key"] != self._key:
            raise IntegrityError(
                f"{folder}: expected the state of this config, data and code, got "
                "that of another run; remove the folder to train from the start, or "
                "name an earlier stage in init"
            )
        return Snapshot(named["step"], load(files[_TENSORS]), named["state"])

    def _generations(self) -> list[Path]:
        return sorted(self._folder.glob("step-????????"), reverse=True)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
