"""Starts a task from a pretrained folder; every tensor must match."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from textmill.models.errors import IntegrityError
from textmill.models.pretrained import CONFIG, PretrainedConfig, huggingface, keras_hub
from textmill.models.pretrained.files import check_finite, read_config, read_tensors
from textmill.models.tasks.task import Task
from textmill.models.tokenizers import Tokenizer, import_tokenizer
from textmill.models.weights import warm_start

_FORMATS = {"huggingface": huggingface, "keras_hub": keras_hub}
_OPTIONAL = ("backbone/pooled_dense/",)
"""Missing from models trained without it; then it starts as a new head."""


def start_from_folder(
    task: Task, init: PretrainedConfig, tokenizer: Tokenizer
) -> dict[str, Any]:
    """Assigns a folder's weights; returns the new and unused tensors.

    Raises:
        ConfigError: the model's dimensions differ from the folder's.
        IntegrityError: the vocabularies differ, or tensors are missing, unknown or not
            finite.
    """
    form = _FORMATS[init.kind]
    form.check(task.config, read_config(init), init.path / CONFIG)
    _check_vocabulary(init, tokenizer)
    tensors = form.convert(read_tensors(init), task.config, init.path)
    if init.kind == "huggingface":
        used = task.tensors().keys() & tensors.keys()
        huggingface.check_head(task.config, used, init.path / CONFIG)
    check_finite(tensors, init.path)
    return warm_start(task, tensors, source=str(init.path), optional=_OPTIONAL)


def _check_vocabulary(init: PretrainedConfig, tokenizer: Tokenizer) -> None:
    expected, actual = (_digest(t) for t in (import_tokenizer(init.path), tokenizer))
    if expected != actual:
        raise IntegrityError(
            f"{init.path}: trained with vocabulary {expected[:12]}, this stage has "
            f"{actual[:12]}; set vocabulary.file to that folder"
        )


def _digest(tokenizer: Tokenizer) -> str:
    """Returns the SHA-256 over tokens and control tokens, in order of their ids."""
    tokens = [list(tokenizer.tokens), vars(tokenizer.specials)]
    return hashlib.sha256(json.dumps(tokens, sort_keys=True).encode()).hexdigest()
