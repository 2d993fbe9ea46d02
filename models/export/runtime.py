"""A served model: a SavedModel in this process, from texts to plain answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers the tokenizers' ops)


def to_python(answers: dict[str, tf.Tensor], count: int) -> list[dict[str, Any]]:
    """Returns one dict a text: strings, floats, and lists of floats by output name."""
    columns = {}
    for name, value in answers.items():
        listed = value.numpy().tolist()
        if value.dtype == tf.string:
            listed = [item.decode(errors="replace") for item in listed]
        columns[name] = listed
    return [{name: c[i] for name, c in columns.items()} for i in range(count)]


class SavedModelRuntime:
    """Loads a SavedModel that Textmill exported."""

    def __init__(self, folder: Path) -> None:
        loaded = tf.saved_model.load(str(folder))
        self._loaded = loaded
        self._serve = loaded.signatures["serving_default"]
        names = loaded.signatures["labels"]()["labels"].numpy()
        self.labels = [name.decode() for name in names]

    def answer(self, texts: Sequence[str | bytes]) -> list[dict[str, Any]]:
        """Answers texts, which may be any bytes."""
        answers = self._serve(text=tf.constant(list(texts), tf.string))
        return to_python(answers, len(texts))
