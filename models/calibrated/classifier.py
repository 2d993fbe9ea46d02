"""The calibrated classifier as one graph: raw texts to calibrated answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from typing_extensions import override

from textmill.models.calibrated.server import JointServer
from textmill.models.ensemble.graph import bounded_log
from textmill.models.tasks.classify import label_answers
from textmill.models.tasks.server import Answers


class ClassifierServer(JointServer):
    """``label`` string ``[n]``, ``probabilities`` float32 ``[n, labels]``, and
    ``confident`` bool ``[n]``.
    """

    output = "probabilities"

    @override
    def join(self, encoder: tf.Tensor | None, logits: tf.Tensor | None) -> Answers:
        calibration, total = self._calibration, 0.0
        if encoder is not None:
            total += calibration.encoder * bounded_log(encoder)
        if logits is not None:
            assert self._linear is not None
            scaled = tf.nn.softmax(logits / self._linear.temperature)
            total += calibration.linear * bounded_log(scaled)
        probabilities = tf.nn.softmax(total)
        highest = tf.reduce_max(probabilities, -1)
        threshold = calibration.threshold
        # No probability reaches 2.
        lowest = tf.constant(2.0 if threshold is None else threshold, tf.float32)
        answers = label_answers(probabilities, self.options.labels)
        return answers | {"confident": highest >= lowest}

    @override
    def describe(self, columns: dict[str, np.ndarray]) -> Answers:
        probabilities = tf.constant(columns["probabilities"])
        answers = label_answers(probabilities, self.options.labels)
        return answers | {"confident": tf.constant(columns["confident"])}

    @override
    def signatures(self) -> dict[str, Callable[..., Answers]]:
        return {} if self._ngrams is None else {"explain": self.explain}

    def explain(self, *texts: tf.Tensor) -> Answers:
        """Returns the terms of the answers' logits, which add up exactly.

        ``row`` int64 ``[m]``, ``ngram`` string ``[m]`` and ``weights`` float32
        ``[m, labels]`` name the n-grams of each text and their terms; ``rest`` float32
        ``[n, labels]`` is the encoder's term and the bias. The softmax of a text's
        terms is its probabilities; each term has mean 0 over the labels.
        """
        assert self._ngrams is not None and self._linear is not None
        rows = self.rows(*texts)
        scale = self._calibration.linear / self._linear.temperature
        terms = self._ngrams.contributions(rows["tokens"])
        rest = tf.zeros([rows["tokens"].nrows(), 1]) + scale * self._ngrams.bias
        if self._encoder is not None:
            probabilities = self._encoder.answer(rows)["probabilities"]
            rest += self._calibration.encoder * bounded_log(probabilities)
        ids = tf.RaggedTensor.from_tensor(terms.tokens, padding=-1)
        return {
            "row": terms.row,
            "ngram": self._tokenizer.detokenize(ids),
            "weights": _centered(scale * terms.weights),
            "rest": _centered(rest),
        }


def _centered(terms: tf.Tensor) -> tf.Tensor:
    return terms - tf.reduce_mean(terms, -1, keepdims=True)
