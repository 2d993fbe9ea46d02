"""Classification: one label of several."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
from typing_extensions import override

from textmill.models.rows import TEACHER
from textmill.models.tasks.pooled import PooledTask
from textmill.models.tasks.server import Answers, Server
from textmill.models.tasks.task import Features, Rows, cross_entropy


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


class Classify(PooledTask):
    """Predicts one label of several from the pooled hidden states."""

    target_column = "label"
    server_class = ClassifyServer

    @override
    def _example_targets(self, count: int) -> tf.Tensor:
        return tf.range(count) % self.num_labels

    @override
    def features(self, rows: Rows) -> Features:
        features = super().features(rows)
        return features | ({TEACHER: rows[TEACHER]} if TEACHER in rows else {})

    @override
    def loss_sums(self, features: Features, *, training: bool) -> dict[str, tf.Tensor]:
        """Adds up losses and hits; with a teacher, its probabilities count as much."""
        if TEACHER not in features:
            return super().loss_sums(features, training=training)
        logits = tf.cast(self.logits(features, training=training), tf.float32)
        sums = cross_entropy(logits, features["targets"], features["weights"])
        soft = -tf.reduce_sum(features[TEACHER] * tf.nn.log_softmax(logits), -1)
        return sums | {"loss": 0.5 * (sums["loss"] + soft * features["weights"])}

    @override
    def predictions(self, features: Features) -> dict[str, tf.Tensor]:
        return {"probabilities": tf.nn.softmax(self.logits(features))}
