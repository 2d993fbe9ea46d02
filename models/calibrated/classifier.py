"""The calibrated classifier as one graph: raw texts to calibrated answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from safetensors.numpy import load_file
from typing_extensions import override

from textmill.models.calibrated.fit import Calibration
from textmill.models.calibrated.model import ENCODER, LINEAR, tensors_of
from textmill.models.ensemble.graph import Ensemble, bounded_log, rebuild_encoder
from textmill.models.inference import tokenize_texts
from textmill.models.linear.graph import NgramGraph
from textmill.models.linear.model import LinearModel
from textmill.models.tasks.classify import label_answers
from textmill.models.tasks.server import Answers, Server, ServingOptions
from textmill.models.tasks.task import Rows, Task
from textmill.models.tokenizers import Tokenizer, load_tokenizer


class CalibratedClassifier:
    """An encoder or an ensemble, a linear model, or both, and their weights."""

    def __init__(
        self,
        *,
        encoder: Task | Ensemble | None,
        linear: LinearModel | None,
        calibration: Calibration,
    ) -> None:
        assert encoder is not None or linear is not None
        self.encoder, self.linear = encoder, linear
        self.calibration = calibration

    def serve(self, tokenizer: Tokenizer, options: ServingOptions) -> Server:
        """Returns the graph that answers texts."""
        return CalibratedServer(self, tokenizer, options)


def load_classifier(
    weights: Path, tokenizer: Path, facts: dict[str, Any]
) -> tuple[CalibratedClassifier, Tokenizer]:
    """Rebuilds a calibrated classifier and its tokenizer from files and facts."""
    loaded, tensors = load_tokenizer(tokenizer), load_file(weights)
    common = {"task": facts["task"], "labels": facts["labels"]}
    encoder = linear = None
    if facts["encoder"] is not None:
        encoder = rebuild_encoder(
            tensors_of(tensors, ENCODER),
            loaded,
            {**common, **facts["encoder"]},
            source=str(weights),
        )
    if facts["linear"] is not None:
        linear = LinearModel.of(tensors_of(tensors, LINEAR), facts["linear"]["model"])
    calibration = Calibration(**facts["calibration"])
    classifier = CalibratedClassifier(
        encoder=encoder, linear=linear, calibration=calibration
    )
    return classifier, loaded


class CalibratedServer(Server):
    """``label`` string ``[n]``, ``probabilities`` float32 ``[n, labels]``, and
    ``confident`` bool ``[n]``.
    """

    def __init__(
        self,
        classifier: CalibratedClassifier,
        tokenizer: Tokenizer,
        options: ServingOptions,
    ) -> None:
        tf.Module.__init__(self)
        self._tokenizer, self.options = tokenizer, options
        self._classifier = classifier
        self._calibration = classifier.calibration
        self._encoder: Server | None = None
        if classifier.encoder is not None:
            self._encoder = classifier.encoder.serve(tokenizer, options)
        self._ngrams: NgramGraph | None = None
        if classifier.linear is not None:
            self._ngrams = NgramGraph(classifier.linear)

    @override
    def rows(self, text: tf.Tensor) -> Rows:
        rows = {} if self._encoder is None else self._encoder.rows(text)
        if self._ngrams is not None:
            rows["tokens"] = self._tokenizer.tokenize_untrusted(text)
        return rows

    @override
    def answer(self, rows: Rows) -> Answers:
        calibration, total = self._calibration, 0.0
        if self._encoder is not None:
            probabilities = self._encoder.answer(rows)["probabilities"]
            total += calibration.encoder * bounded_log(probabilities)
        if self._ngrams is not None:
            assert self._classifier.linear is not None
            logits = self._ngrams.logits(rows["tokens"])
            scaled = tf.nn.softmax(logits / self._classifier.linear.temperature)
            total += calibration.linear * bounded_log(scaled)
        return self._answers(tf.nn.softmax(total))

    @override
    def signatures(self) -> dict[str, Callable[[tf.Tensor], Answers]]:
        return {} if self._ngrams is None else {"explain": self.explain}

    def explain(self, text: tf.Tensor) -> Answers:
        """Returns the terms of the answers' logits, which add up exactly.

        ``row`` int64 ``[m]``, ``ngram`` string ``[m]`` and ``weights`` float32
        ``[m, labels]`` name the n-grams of each text and their terms; ``rest`` float32
        ``[n, labels]`` is the encoder's term and the bias. The softmax of a text's
        terms is its probabilities; each term has mean 0 over the labels.
        """
        assert self._ngrams is not None and self._classifier.linear is not None
        rows, linear = self.rows(text), self._classifier.linear
        scale = self._calibration.linear / linear.temperature
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

    def _answers(self, probabilities: tf.Tensor) -> Answers:
        highest = tf.reduce_max(probabilities, -1)
        threshold = self._calibration.threshold
        # No probability reaches 2.
        lowest = tf.constant(2.0 if threshold is None else threshold, tf.float32)
        answers = label_answers(probabilities, self.options.labels)
        return answers | {"confident": highest >= lowest}

    @override
    def reference_answers(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Returns the answers of the parts as they were trained, joined by NumPy."""
        encoder = linear = None
        if self._encoder is not None:
            answers = self._encoder.reference_answers(texts)
            encoder = np.array([a["probabilities"] for a in answers], np.float32)
        if (model := self._classifier.linear) is not None:
            linear = model.probabilities(list(tokenize_texts(self._tokenizer, texts)))
        joined = self._calibration.probabilities(encoder, linear)
        return [
            {
                "label": self.options.labels[int(row.argmax())],
                "probabilities": row.tolist(),
                "confident": bool(confident),
            }
            for row, confident in zip(
                joined, self._calibration.is_confident(joined), strict=True
            )
        ]


def _centered(terms: tf.Tensor) -> tf.Tensor:
    return terms - tf.reduce_mean(terms, -1, keepdims=True)
