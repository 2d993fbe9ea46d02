"""Toy tasks with the targets labels and number; installed as plug-ins by tests."""

import keras
import tensorflow as tf

from textmill.models.tasks.server import Server
from textmill.models.tasks.task import Task


class Measure(Task):
    """Predicts a number from the pooled hidden states."""

    @property
    def _width(self):
        return 1

    def _build(self):
        pooled = self.family.pooled(self._hidden, self._inputs["mask"], self.config)
        logits = keras.layers.Dense(self._width, name="values")(pooled)
        return keras.Model(self._inputs, logits)

    def head_flops(self, length):
        return 2 * self.config.width * self._width

    def features(self, rows):
        targets = tf.cast(rows["number"], tf.float32)[:, None]
        return self._features(rows, targets)

    def _features(self, rows, targets):
        mask = self._mask(rows, tf.shape(rows["ids"])[1])
        weights = tf.ones_like(targets[:, 0])
        return {
            "ids": rows["ids"],
            "mask": mask,
            "targets": targets,
            "weights": weights,
        }

    def loss_sums(self, features, *, training):
        logits = self.logits(features, training=training)
        losses = self._losses(features["targets"], logits)
        weights = features["weights"]
        loss = tf.reduce_mean(losses, -1) * weights
        return {"loss": loss, "weight": weights, "correct": tf.zeros_like(loss)}

    def _losses(self, targets, logits):
        return (logits - targets) ** 2

    def predictions(self, features):
        return self.loss_sums(features, training=False) | {
            "outputs": self.logits(features)
        }


class Choose(Measure):
    """Predicts which labels a text has."""

    @property
    def _width(self):
        return self.num_labels

    def features(self, rows):
        return self._features(rows, tf.cast(rows["labels"], tf.float32))

    def _losses(self, targets, logits):
        return tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)


class CountServer(Server):
    """``tokens`` int32 ``[n]``: the length of a text's row."""

    def answer(self, rows):
        return {"tokens": rows["length"]}

    def document_outputs(self, documents):
        texts = [document["text"] for document in documents]
        return {"tokens": self.call(texts)["tokens"].numpy(), "copy": texts}


class Count(Choose):
    """Its predictions are the served answers to documents."""

    server_class = CountServer
