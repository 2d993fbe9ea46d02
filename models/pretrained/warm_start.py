"""Starting a task from a pretrained folder, strictly."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from textmill.models.errors import IntegrityError
from textmill.models.pretrained import (
    CONFIG,
    PretrainedConfig,
    huggingface,
    keras_hub,
)
from textmill.models.pretrained.files import read_config, read_tensors
from textmill.models.tasks.task import Task
from textmill.models.tokenizers import Tokenizer, import_tokenizer
from textmill.models.weights import warm_start

_FORMATS = {"huggingface": huggingface, "keras_hub": keras_hub}
_OPTIONAL = ("backbone/pooled_dense/",)
"""Absent where a model was trained without it: it is then a new head."""


def start_from_folder(
    task: Task, init: PretrainedConfig, tokenizer: Tokenizer
) -> dict[str, Any]:
    """Assigns a folder's weights and returns what ``warm_start`` does.

    Raises:
        ConfigError: the model has another shape than the folder.
        IntegrityError: it was made with another vocabulary, or tensors are missing or
            too many.
    """
    form = _FORMATS[init.kind]
    form.check(task.config, read_config(init), init.path / CONFIG)
    _check_vocabulary(init, tokenizer)
    tensors = form.convert(read_tensors(init), task.config, init.path)
    return warm_start(task, tensors, source=str(init.path), optional=_OPTIONAL)


def _check_vocabulary(init: PretrainedConfig, tokenizer: Tokenizer) -> None:
    theirs, ours = (_digest(t) for t in (import_tokenizer(init.path), tokenizer))
    if theirs != ours:
        raise IntegrityError(
            f"{init.path}: made with vocabulary {theirs[:12]}, this stage's is "
            f"{ours[:12]}; set vocabulary.file to that folder"
        )


def _digest(tokenizer: Tokenizer) -> str:
    """Returns the SHA-256 over entries and control tokens: what ids mean."""
    entries = [list(tokenizer.tokens), vars(tokenizer.specials)]
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()
