"""The calibrated multilabel classifier as one graph."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from typing_extensions import override

from textmill.models.calibrated.server import JointServer
from textmill.models.ensemble.graph import bounded_log
from textmill.models.tasks.multilabel import labels_answers
from textmill.models.tasks.server import Answers


class MultilabelJointServer(JointServer):
    """``labels`` string and ``scores`` float32, both ``[n, labels]``, as those of
    ``MultilabelServer``.
    """

    output = "scores"

    @override
    def join(self, encoder: tf.Tensor | None, logits: tf.Tensor | None) -> Answers:
        odds = 0.0
        if encoder is not None:
            odds += self._calibration.encoder * _log_odds(encoder)
        if logits is not None:
            assert self._linear is not None
            scores = tf.nn.sigmoid(logits / self._linear.temperature)
            odds += self._calibration.linear * _log_odds(scores)
        return self._answers(tf.nn.sigmoid(odds))

    @override
    def describe(self, columns: dict[str, np.ndarray]) -> Answers:
        return self._answers(tf.constant(columns["scores"]))

    def _answers(self, scores: tf.Tensor) -> Answers:
        thresholds = tf.constant(self._calibration.thresholds, tf.float32)
        return labels_answers(scores, thresholds, self.options.labels)


def _log_odds(scores: tf.Tensor) -> tf.Tensor:
    return bounded_log(scores) - bounded_log(1.0 - scores)
