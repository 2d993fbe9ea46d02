"""A toy task: tells texts from their reverse; installed as a plug-in by tests."""

import keras
import tensorflow as tf

from textmill.models.tasks.server import Server
from textmill.models.tasks.task import Task


class DirectionServer(Server):
    """``backwards`` float32 ``[n]``: the probability that a text runs backwards."""

    def answer(self, rows):
        logits = self._task.logits(self._features(rows))
        return {"backwards": tf.nn.softmax(tf.cast(logits, tf.float32))[:, 1]}


class Direction(Task):
    """Predicts whether a row was reversed; one in ``every`` is, by its key."""

    server_class = DirectionServer

    def _build(self):
        pooled = self.family.pooled(self._hidden, self._inputs["mask"], self.config)
        logits = keras.layers.Dense(2, name="direction")(pooled)
        return keras.Model(self._inputs, logits)

    def head_flops(self, length):
        return 2 * self.config.width * 2

    def features(self, rows):
        ids, every = rows["ids"], self.task_config.every
        reverse = tf.cast(tf.math.floormod(rows["keys"], every) == 0, tf.int32)
        reversed_ids = tf.reverse_sequence(ids, rows["length"], seq_axis=1)
        return {
            "ids": tf.where(reverse[:, None] > 0, reversed_ids, ids),
            "mask": self._mask(rows, tf.shape(ids)[1]),
            "targets": reverse,
            "weights": tf.ones_like(reverse, tf.float32),
        }

    def sample(self, rows, tokenizer):
        logits = self.logits(self.features(rows)).numpy()
        return [["forwards", "backwards"][row.argmax()] for row in logits]
