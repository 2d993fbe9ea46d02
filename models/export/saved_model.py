"""Serving: a SavedModel that takes raw strings, with the tokenizer inside.

``serving_default`` maps ``text`` (string ``[n]``) to the task's answers; each class
says which. Loading needs ``import tensorflow_text`` for the tokenizer's ops.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from typing_extensions import override

from textmill.models.backbones.pooling import mean_of_tokens
from textmill.models.export.runtime import to_python
from textmill.models.generation import generate
from textmill.models.tasks.causal_lm import CausalLM
from textmill.models.tasks.classify import Classify
from textmill.models.tasks.task import Rows, Task
from textmill.models.tokenizers import Tokenizer

Answers = dict[str, tf.Tensor]


class Server(tf.Module):
    """A task and its tokenizer as one graph: texts become rows, rows answers."""

    def __init__(self, task: Task, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._task, self._tokenizer = task, tokenizer
        self._model = task.model

    @property
    def _length(self) -> int:
        return self._task.config.sequence_length

    def rows(self, text: tf.Tensor) -> Rows:
        """Packs texts ``[n]`` to ids ``[n, longest]`` and length ``[n]``."""
        ids, length = self._tokenizer.pack(text, self._length)
        return {"ids": ids, "length": length}

    def answer(self, rows: Rows) -> Answers:
        """Answers rows."""
        raise NotImplementedError

    def reference_rows(self, texts: Sequence[str]) -> Rows:
        """Packs texts as training does: offline, one at a time, to the full length."""
        s = self._tokenizer.specials
        tokens = [self._tokenizer(tf.constant([t])).to_list()[0] for t in texts]
        rows = [[s.start, *ids[: self._length - 2], s.end] for ids in tokens]
        return _padded(rows, length=self._length, pad=s.pad)

    def _features(self, rows: Rows) -> dict[str, tf.Tensor]:
        at = tf.range(tf.shape(rows["ids"])[1])[None, :]
        mask = tf.cast(at < rows["length"][:, None], tf.int32)
        return {"ids": rows["ids"], "mask": mask}


def _padded(rows: list[list[int]], *, length: int, pad: int) -> Rows:
    ids = np.full((len(rows), length), pad, np.int32)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    sizes = np.array([len(row) for row in rows], np.int32)
    return {"ids": tf.constant(ids), "length": tf.constant(sizes)}


class ClassifyServer(Server):
    """``label`` string ``[n]``; ``probabilities`` float32 ``[n, labels]``."""

    def __init__(self, task: Task, tokenizer: Tokenizer, labels: list[str]) -> None:
        super().__init__(task, tokenizer)
        self._labels = labels

    @override
    def answer(self, rows: Rows) -> Answers:
        logits = self._task.logits(self._features(rows))
        probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
        labels = tf.gather(tf.constant(self._labels), tf.argmax(probabilities, -1))
        return {"label": labels, "probabilities": probabilities}


class EmbedServer(Server):
    """``embedding`` float32 ``[n, width]``: the mean state of a text's tokens."""

    @override
    def answer(self, rows: Rows) -> Answers:
        features = self._features(rows)
        family, backbone = self._task.family, self._task.backbone
        outputs = backbone(family.inputs(features["ids"], features["mask"]))
        hidden = tf.cast(family.sequence(outputs), tf.float32)
        return {"embedding": mean_of_tokens(hidden, features["mask"])}


class WriteServer(Server):
    """``continuation`` string ``[n]``; ``loss`` float32 ``[n]``: nats a token of text.

    Of a text longer than the window, its end counts.
    """

    def __init__(self, task: CausalLM, tokenizer: Tokenizer, num_tokens: int) -> None:
        super().__init__(task, tokenizer)
        self._num_tokens = num_tokens

    @override
    def rows(self, text: tf.Tensor) -> Rows:
        s = self._tokenizer.specials
        tokens = self._tokenizer.tokenize_untrusted(text)[:, -self._length :]
        row = tf.concat([tf.fill([tokens.nrows(), 1], s.end), tokens], axis=1)
        length = tf.cast(row.row_lengths(), tf.int32)
        ids = row.to_tensor(s.pad, shape=[None, self._length + 1])
        return {"ids": ids, "length": length}

    @override
    def reference_rows(self, texts: Sequence[str]) -> Rows:
        s = self._tokenizer.specials
        tokens = [self._tokenizer(tf.constant([t])).to_list()[0] for t in texts]
        rows = [[s.end, *ids[-self._length :]] for ids in tokens]
        return _padded(rows, length=self._length + 1, pad=s.pad)

    @override
    def answer(self, rows: Rows) -> Answers:
        sums = self._task.sums(self._task.features(rows), training=False)
        ids, length = rows["ids"], rows["length"]
        full = length[:, None] > self._length
        written = generate(
            self._task,
            tf.where(full, ids[:, 1:], ids[:, :-1]),
            tf.minimum(length, self._length),
            num_tokens=self._num_tokens,
        )
        continuation = tf.RaggedTensor.from_tensor(written)
        return {
            "continuation": self._tokenizer.detokenize(continuation),
            "loss": sums["loss"] / tf.maximum(sums["weight"], 1.0),
        }


def make_server(
    task: Task, tokenizer: Tokenizer, *, labels: list[str], num_tokens: int
) -> Server:
    """Returns the server for a task."""
    if isinstance(task, Classify):
        return ClassifyServer(task, tokenizer, labels)
    if isinstance(task, CausalLM):
        return WriteServer(task, tokenizer, num_tokens)
    return EmbedServer(task, tokenizer)


def save(server: Server, folder: Path, *, labels: list[str]) -> None:
    """Writes a SavedModel with signatures ``serving_default`` and ``labels``."""
    text = tf.TensorSpec([None], tf.string, name="text")
    serve = tf.function(
        lambda text: server.answer(server.rows(text)), input_signature=[text]
    )
    names = tf.function(
        lambda: {"labels": tf.constant(labels, tf.string)}, input_signature=[]
    )
    tf.saved_model.save(
        server, str(folder), signatures={"serving_default": serve, "labels": names}
    )


def reference_answers(server: Server, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Returns what the trained model answers, without the exported graph."""
    rows = server.reference_rows(texts)
    return to_python(tf.function(server.answer)(rows), len(texts))
