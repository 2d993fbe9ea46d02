"""Weights on disk: safetensors, and a digest of every tensor."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
from safetensors.numpy import load_file, save_file

from textmill.models.errors import IntegrityError
from textmill.models.tasks.task import Task

_HEAD = "head/"


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


def load_weights(task: Task, path: Path) -> None:
    """Assigns the weights of this very model: every one must be there and fit.

    Raises:
        IntegrityError: a name is missing, unknown, or has another shape.
    """
    stored, wanted = load_file(path), task.tensors()
    if unmatched := sorted(stored.keys() ^ wanted.keys()):
        raise IntegrityError(
            f"{path}: weights do not match the model: {', '.join(unmatched[:5])}; "
            "use the model config that they were trained with"
        )
    _assign(wanted, stored, str(path))


def warm_start(
    task: Task,
    tensors: Mapping[str, np.ndarray],
    *,
    source: str,
    optional: tuple[str, ...] = (),
) -> dict[str, list[str]]:
    """Assigns what another model has learned: the backbone, and heads that both have.

    Args:
        task: the model that starts.
        tensors: the other's, by our names.
        source: where they are from.
        optional: beginnings of backbone tensors that may be missing.

    Returns:
        ``new``, the tensors that keep their random start, and ``unused``, those of
        heads that this task does not have; sorted.

    Raises:
        IntegrityError: the backbones differ, or a tensor has another shape.
    """
    wanted = task.tensors()
    new, unused = sorted(wanted.keys() - tensors), sorted(tensors.keys() - wanted)
    missing = [n for n in new if not n.startswith((_HEAD, *optional))]
    surplus = [n for n in unused if not n.startswith(_HEAD)]
    for names, what in ((missing, "lacks"), (surplus, "holds")):
        if names:
            raise IntegrityError(
                f"{source}: {what} {', '.join(names[:5])}, unlike the model; use the "
                "model config that it was trained with"
            )
    shared = {name: v for name, v in wanted.items() if name in tensors}
    _assign(shared, tensors, source)
    return {"new": new, "unused": unused}


def _assign(
    variables: Mapping[str, keras.Variable],
    values: Mapping[str, np.ndarray],
    source: str,
) -> None:
    for name, variable in variables.items():
        if tuple(variable.shape) != values[name].shape:
            raise IntegrityError(
                f"{source}: {name} has shape {values[name].shape}, "
                f"the model's has {tuple(variable.shape)}"
            )
    for name, variable in variables.items():
        variable.assign(values[name])
