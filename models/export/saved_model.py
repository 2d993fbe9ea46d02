"""SavedModel: takes raw strings, with the tokenizer inside.

``serving_default`` maps ``text`` (string ``[n]``) to the answers of the task's server.
Loading needs ``import tensorflow_text`` for the tokenizer's ops.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers the tokenizers' ops)
from typing_extensions import override

from textmill.models.export.format import Format, Runtime
from textmill.models.tasks.server import to_python

if TYPE_CHECKING:
    from textmill.models.tasks.server import ServingOptions
    from textmill.models.tasks.task import Task
    from textmill.models.tokenizers import Tokenizer


class SavedModel(Format):
    """TensorFlow's SavedModel with signatures ``serving_default`` and ``labels``."""

    @override
    def write(
        self, task: Task, tokenizer: Tokenizer, folder: Path, options: ServingOptions
    ) -> None:
        server = task.serve(tokenizer, options)
        text = tf.TensorSpec([None], tf.string, name="text")
        serve = tf.function(
            lambda text: server.answer(server.rows(text)), input_signature=[text]
        )
        labels = tf.function(
            lambda: {"labels": tf.constant(options.labels, tf.string)},
            input_signature=[],
        )
        signatures = {"serving_default": serve, "labels": labels}
        tf.saved_model.save(server, str(folder), signatures=signatures)

    @override
    def load(self, folder: Path) -> Runtime:
        return SavedModelRuntime(folder)


class SavedModelRuntime(Runtime):
    """A SavedModel that Textmill exported, in this process."""

    def __init__(self, folder: Path) -> None:
        # The signatures hold no reference to the model.
        self._model = tf.saved_model.load(str(folder))
        self._serve = self._model.signatures["serving_default"]
        labels = self._model.signatures["labels"]()["labels"].numpy()
        self.labels = [label.decode() for label in labels]

    @override
    def answer(self, texts: Sequence[str | bytes]) -> list[dict[str, Any]]:
        answers = self._serve(text=tf.constant(list(texts), tf.string))
        return to_python(answers, len(texts))
