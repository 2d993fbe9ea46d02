"""Multilabel classification: any number of several labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from typing_extensions import override

from textmill.models.inference import predict_rows
from textmill.models.label_thresholds import tune_thresholds
from textmill.models.rows import RowReader
from textmill.models.tasks.pooled import PooledTask
from textmill.models.tasks.server import Answers, Server
from textmill.models.tasks.task import Features, Rows

_BATCH = 64


class MultilabelServer(Server):
    """``labels`` string ``[n, labels]``: those at or above their threshold, the highest
    score first, then empty strings; ``scores`` float32 ``[n, labels]``.
    """

    @override
    def answer(self, rows: Rows) -> Answers:
        assert isinstance(self._task, Multilabel)
        logits = self._task.logits(self._features(rows))
        scores = tf.nn.sigmoid(tf.cast(logits, tf.float32))
        thresholds = tf.convert_to_tensor(self._task.thresholds)
        return labels_answers(scores, thresholds, self.options.labels)


def labels_answers(
    scores: tf.Tensor, thresholds: tf.Tensor, labels: Sequence[str]
) -> Answers:
    """Returns the chosen labels of each row of scores ``[n, labels]``, and the row."""
    order = tf.argsort(scores, axis=-1, direction="DESCENDING", stable=True)
    chosen = tf.gather(scores >= thresholds, order, batch_dims=1)
    names = tf.where(chosen, tf.gather(tf.constant(labels), order), "")
    # Chosen ones first: each label has its own threshold.
    first = tf.argsort(tf.cast(~chosen, tf.int32), axis=-1, stable=True)
    return {"labels": tf.gather(names, first, batch_dims=1), "scores": scores}


class Multilabel(PooledTask):
    """Decides about every label by itself, from the pooled hidden states.

    Attributes:
        thresholds: float32 ``[labels]``: lowest scores of chosen labels.
    """

    target_column = "labels"
    server_class = MultilabelServer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.thresholds = self.add_constant(
            "thresholds", np.full(self.num_labels, 0.5, np.float32)
        )

    @override
    def _example_targets(self, count: int) -> tf.Tensor:
        number = tf.range(count)[:, None] + tf.range(self.num_labels)
        return tf.cast(number % 2, tf.uint8)

    @override
    def loss_sums(self, features: Features, *, training: bool) -> dict[str, tf.Tensor]:
        """Sums the mean cross-entropy of the labels' decisions, and exact answers."""
        logits = tf.cast(self.logits(features, training=training), tf.float32)
        targets = tf.cast(features["targets"], tf.float32)
        losses = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
        correct = tf.reduce_all((logits > 0.0) == (targets > 0.0), axis=-1)
        weights = features["weights"]
        return {
            "loss": tf.reduce_mean(losses, axis=-1) * weights,
            "weight": weights,
            "correct": tf.cast(correct, tf.float32) * weights,
        }

    @override
    def predictions(self, features: Features) -> dict[str, tf.Tensor]:
        scores = tf.nn.sigmoid(tf.cast(self.logits(features), tf.float32))
        chosen = scores >= tf.convert_to_tensor(self.thresholds)
        return {"scores": scores, "chosen": tf.cast(chosen, tf.uint8)}

    @override
    def tune(self, rows: RowReader, *, seed: int) -> None:
        """Sets the thresholds of the highest F1 on held-out rows."""
        batches = list(
            predict_rows(self, rows, target="labels", batch=_BATCH, seed=seed)
        )
        if batches:
            columns = {
                name: np.concatenate([batch[name] for batch in batches])
                for name in ("scores", "target")
            }
            self.thresholds.assign(
                tune_thresholds(columns["scores"], columns["target"])
            )
