"""Classification: one label of several."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf
from typing_extensions import override

from textmill.models.backbones.pooling import mean_of_tokens
from textmill.models.tasks.server import Answers, Server
from textmill.models.tasks.task import Features, Rows, Task
from textmill.models.tokenizers import Tokenizer


class ClassifyServer(Server):
    """``label`` string ``[n]``; ``probabilities`` float32 ``[n, labels]``."""

    @override
    def answer(self, rows: Rows) -> Answers:
        logits = self._task.logits(self._features(rows))
        probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
        return label_answers(probabilities, self.options.labels)


def label_answers(probabilities: tf.Tensor, labels: Sequence[str]) -> Answers:
    """Returns the most probable label of each row of ``[n, labels]``, and the row."""
    return {
        "label": tf.gather(tf.constant(labels), tf.argmax(probabilities, -1)),
        "probabilities": probabilities,
    }


class Classify(Task):
    """Predicts one label of several from the pooled hidden states."""

    server_class = ClassifyServer

    def _build(self) -> keras.Model:
        pooled = keras.layers.Dropout(self.config.dropout, name="dropout")(
            self._pooled()
        )
        logits = keras.layers.Dense(
            self.num_labels,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="logits",
        )(pooled)
        return keras.Model(self._inputs, logits)

    @property
    def _reads_embeddings(self) -> bool:
        return (
            self.config.family == "bert"
            and self.config.pooling == "mean_and_embeddings"
        )

    def _pooled(self) -> keras.KerasTensor:
        """Returns the input of the head, ``[batch, width]`` or twice the width."""
        mask = self._inputs["mask"]
        states = self.family.pooled(self._hidden, mask, self.config)
        if not self._reads_embeddings:
            return states
        # Normalized, because embeddings are much smaller than states.
        norm = keras.layers.LayerNormalization(name="embeddings_mean_norm")
        embeddings = self.backbone.token_embedding(self._inputs["ids"])
        return keras.ops.concatenate(
            [states, norm(mean_of_tokens(embeddings, mask))], axis=-1
        )

    @override
    def head_flops(self, length: int) -> int:
        width = self.config.width * (2 if self._reads_embeddings else 1)
        return 2 * width * self.num_labels

    @override
    def example_rows(self, tokenizer: Tokenizer, texts: Sequence[str]) -> Rows:
        labels = tf.range(len(texts)) % self.num_labels
        return {**super().example_rows(tokenizer, texts), "label": labels}

    @override
    def features(self, rows: Rows) -> Features:
        return {
            "ids": rows["ids"],
            "mask": self._mask(rows, tf.shape(rows["ids"])[1]),
            "targets": rows["label"],
            "weights": tf.ones_like(rows["label"], tf.float32),
        }

    @override
    def predictions(self, features: Features) -> dict[str, tf.Tensor]:
        return {"probabilities": tf.nn.softmax(self.logits(features))}
