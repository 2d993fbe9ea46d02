"""Checkpoints: every variable of a run and its cursor, committed by one rename.

``step-00000400/`` holds ``tensors.safetensors`` and ``state.json`` with its SHA-256.
Two generations are kept; a torn newest one falls back to the one before.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

_TENSORS, _STATE, _GENERATIONS = "tensors.safetensors", "state.json", 2


class Checkpoints:
    """The checkpoints of one training run, below one folder.

    Args:
        folder: where they lie; made when the first is saved.
        fingerprint: names config, data and code; another run's state is never loaded.
    """

    def __init__(self, folder: Path, *, fingerprint: str) -> None:
        self._folder, self._fingerprint = folder, fingerprint
        self.warnings: list[str] = []

    def save(
        self, step: int, tensors: dict[str, np.ndarray], state: dict[str, Any]
    ) -> None:
        """Commits a checkpoint, then drops all but the newest two."""
        data = save(tensors)
        state = {
            "step": step,
            "sha256": hashlib.sha256(data).hexdigest(),
            "fingerprint": self._fingerprint,
            "state": state,
        }
        final = self._folder / f"step-{step:08d}"
        staging = final.with_suffix(".staging")
        for stale in (staging, final):
            shutil.rmtree(stale, ignore_errors=True)
        staging.mkdir(parents=True)
        _write(staging / _TENSORS, data)
        _write(staging / _STATE, json.dumps(state).encode())
        _sync_folder(staging)
        staging.rename(final)
        _sync_folder(self._folder)
        for old in self._generations()[_GENERATIONS:]:
            shutil.rmtree(old)

    def restore(self) -> tuple[int, dict[str, np.ndarray], dict[str, Any]] | None:
        """Returns step, tensors and state of the newest whole checkpoint, or None."""
        for folder in self._generations():
            try:
                return self._read(folder)
            except (OSError, ValueError, KeyError, SafetensorError) as error:
                self.warnings.append(f"{folder.name} is not usable ({error})")
        return None

    def _read(self, folder: Path) -> tuple[int, dict[str, np.ndarray], dict[str, Any]]:
        state = json.loads((folder / _STATE).read_bytes())
        data = (folder / _TENSORS).read_bytes()
        if hashlib.sha256(data).hexdigest() != state["sha256"]:
            raise ValueError("its tensors were cut or altered")
        if state["fingerprint"] != self._fingerprint:
            raise ValueError("it belongs to another config, data or code")
        return state["step"], load(data), state["state"]

    def _generations(self) -> list[Path]:
        return sorted(self._folder.glob("step-????????"), reverse=True)


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
