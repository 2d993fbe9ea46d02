"""SavedModel: takes raw strings, with the tokenizer inside.

``serving_default`` maps ``text`` (string ``[n]``) to the answers of the task's server.
Loading needs ``import tensorflow_text`` for the tokenizer's ops.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from textmill.models.export.runtime import to_python
from textmill.models.export.server import Server


def save(server: Server, folder: Path) -> None:
    """Writes a SavedModel with signatures ``serving_default`` and ``labels``."""
    text = tf.TensorSpec([None], tf.string, name="text")
    serve = tf.function(
        lambda text: server.answer(server.rows(text)), input_signature=[text]
    )
    names = tf.function(
        lambda: {"labels": tf.constant(server.options.labels, tf.string)},
        input_signature=[],
    )
    tf.saved_model.save(
        server, str(folder), signatures={"serving_default": serve, "labels": names}
    )


def reference_answers(server: Server, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the trained model's answers, computed without the exported graph."""
    rows = server.reference_rows(texts)
    return to_python(tf.function(server.answer)(rows), len(texts))
