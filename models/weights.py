"""Trained models on disk: weights as safetensors, and the task rebuilt from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from safetensors.numpy import load_file, save_file

from textmill.models.config import ModelConfig
from textmill.models.errors import IntegrityError
from textmill.models.tasks import TASKS
from textmill.models.tasks.task import Task
from textmill.models.tokenizers import Tokenizer, load_tokenizer

_HEAD = "head/"


def save_weights(task: Task, path: Path) -> str:
    """Writes all weights; returns their digest: see ``save_tensors``."""
    tensors = {
        name: np.asarray(keras.ops.convert_to_numpy(variable), order="C")
        for name, variable in task.tensors().items()
    }
    return save_tensors(tensors, path)


def save_tensors(tensors: Mapping[str, np.ndarray], path: Path) -> str:
    """Writes tensors; returns the SHA-256 of names, dtypes, shapes and bytes."""
    save_file(dict(tensors), path)
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {value.shape}\n".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def load_weights(task: Task, tensors: Mapping[str, np.ndarray], *, source: str) -> None:
    """Loads all weights of the same model.

    Raises:
        IntegrityError: a tensor is missing, unknown, or has another shape.
    """
    wanted = task.tensors()
    if unmatched := sorted(tensors.keys() ^ wanted.keys()):
        raise IntegrityError(
            f"{source}: weights do not match the model: {', '.join(unmatched[:5])}; "
            "use the model config that they were trained with"
        )
    _assign(wanted, tensors, source)


def load_task(
    weights: Path,
    tokenizer: Path,
    facts: dict[str, Any],
    *,
    attention: Literal["document", "row"] = "row",
) -> tuple[Task, Tokenizer]:
    """Rebuilds a task and its tokenizer from a trained model's files and facts."""
    loaded = load_tokenizer(tokenizer)
    task = rebuild_task(
        load_file(weights), loaded, facts, source=str(weights), attention=attention
    )
    return task, loaded


def rebuild_task(
    tensors: Mapping[str, np.ndarray],
    tokenizer: Tokenizer,
    facts: dict[str, Any],
    *,
    source: str,
    attention: Literal["document", "row"] = "row",
) -> Task:
    """Rebuilds a task from its tensors and the facts of a trained model.

    Answers are computed in float32, whatever the model was trained in, and for rows of
    one text unless ``attention`` keeps the documents of a row apart.
    """
    keras.utils.clear_session()
    keras.config.set_dtype_policy("float32")
    row = TASKS[facts["task"]]
    task = row.load()(
        ModelConfig(**facts["model"]),
        vocabulary_size=tokenizer.size,
        specials=tokenizer.specials,
        num_labels=len(facts["labels"]),
        task_config=row.config(**facts["task_config"]),
        attention=attention,
        next_sentence=facts["next_sentence"],
        pair=facts.get("pair", False),
        target_ids=tokenizer.target_ids if row.has_targets_in_rows else None,
    )
    load_weights(task, tensors, source=source)
    return task


def warm_start(
    task: Task,
    tensors: Mapping[str, np.ndarray],
    *,
    source: str,
    optional: tuple[str, ...] = (),
) -> dict[str, list[str]]:
    """Initializes a model from another's backbone and shared heads.

    Args:
        task: the model to initialize.
        tensors: the other model's tensors, by Textmill's names.
        source: their origin, for messages.
        optional: name prefixes of backbone tensors that may be missing.

    Returns:
        Sorted names: ``new``, tensors left at their random initialization, and
        ``unused``, tensors of heads that this task does not have.

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
                f"{source}: {what} {', '.join(names[:5])}, unlike this model; use the "
                "model config that it was trained with"
            )
    shared = {name: v for name, v in wanted.items() if name in tensors}
    _assign(shared, tensors, source)
    return {"new": new, "unused": unused}


def start_from_vectors(task: Task, vectors: np.ndarray) -> None:
    """Initializes a model's token embeddings, at the deviation that they have.

    Args:
        task: the model to initialize.
        vectors: float32 ``[vocabulary, width]`` of mean square 1; tokens whose vector
            is 0 keep their embedding.
    """
    embeddings = task.backbone.get_layer("token_embedding").embeddings
    initial = keras.ops.convert_to_numpy(embeddings)
    known = np.any(vectors != 0.0, axis=1, keepdims=True)
    embeddings.assign(np.where(known, vectors * initial.std(), initial))


def _assign(
    variables: Mapping[str, keras.Variable],
    values: Mapping[str, np.ndarray],
    source: str,
) -> None:
    for name, variable in variables.items():
        if tuple(variable.shape) != values[name].shape:
            fitting = "of the same shape and vocabulary"
            if name.startswith(_HEAD):
                fitting = "with the same labels, or from a language model"
            raise IntegrityError(
                f"{source}: {name} has shape {values[name].shape}, the model's has "
                f"{tuple(variable.shape)}; start from a model {fitting}"
            )
    for name, variable in variables.items():
        variable.assign(values[name])
