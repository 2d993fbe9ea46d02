"""Weights on disk: safetensors, and a digest of every tensor."""

from __future__ import annotations

import hashlib
from pathlib import Path

import keras
import numpy as np
from safetensors.numpy import load_file, save_file

from models.faults import IntegrityError
from models.tasks import Task

BACKBONE = "backbone/"


def save_weights(task: Task, path: Path) -> str:
    """Writes every weight and returns the SHA-256 over names, dtypes, shapes, bytes."""
    tensors = {
        name: np.asarray(keras.ops.convert_to_numpy(variable), order="C")
        for name, variable in task.tensors().items()
    }
    save_file(tensors, path)
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {value.shape}\n".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def load_weights(task: Task, path: Path, *, prefix: str = "") -> None:
    """Assigns the weights whose names start so; every one must be there and fit.

    Raises:
        IntegrityError: a name is missing, unknown, or has another shape.
    """
    stored = {k: v for k, v in load_file(path).items() if k.startswith(prefix)}
    wanted = {k: v for k, v in task.tensors().items() if k.startswith(prefix)}
    if unmatched := sorted(stored.keys() ^ wanted.keys()):
        raise IntegrityError(
            f"{path}: weights do not match the model: {', '.join(unmatched[:5])}; "
            "use the model config that they were trained with"
        )
    for name, variable in wanted.items():
        if tuple(variable.shape) != stored[name].shape:
            raise IntegrityError(
                f"{path}: {name} has shape {stored[name].shape}, "
                f"the model's has {tuple(variable.shape)}"
            )
        variable.assign(stored[name])
