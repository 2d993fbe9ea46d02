"""Base class of joint models as one graph: raw texts to the answers of both parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from typing_extensions import override

from textmill.models.ensemble.graph import Ensemble
from textmill.models.inference import tokenize_texts
from textmill.models.linear.graph import NgramGraph
from textmill.models.linear.model import LinearModel
from textmill.models.tasks.server import Answers, Server, ServingOptions, to_python
from textmill.models.tasks.task import Rows, Task
from textmill.models.tokenizers import Tokenizer


class JointServer(Server):
    """Base class: a served model of an encoder, a linear model, or both.

    Attributes:
        output: the answer of the encoder that is joined.
    """

    output: str

    def __init__(
        self,
        tokenizer: Tokenizer,
        options: ServingOptions,
        *,
        encoder: Task | Ensemble | None,
        linear: LinearModel | None,
        calibration: Any,
    ) -> None:
        tf.Module.__init__(self)
        self._tokenizer, self.options = tokenizer, options
        self._linear, self._calibration = linear, calibration
        self._graph = None
        self._encoder: Server | None = None
        if encoder is not None:
            self._encoder = encoder.serve(tokenizer, options)
        self._ngrams: NgramGraph | None = None
        if linear is not None:
            self._ngrams = NgramGraph(linear)

    @override
    def rows(self, text: tf.Tensor) -> Rows:
        rows = {} if self._encoder is None else self._encoder.rows(text)
        if self._ngrams is not None:
            rows["tokens"] = self._tokenizer.tokenize_untrusted(text)
        return rows

    @override
    def answer(self, rows: Rows) -> Answers:
        encoder = linear = None
        if self._encoder is not None:
            encoder = self._encoder.answer(rows)[self.output]
        if self._ngrams is not None:
            linear = self._ngrams.logits(rows["tokens"])
        return self.join(encoder, linear)

    def join(self, encoder: tf.Tensor | None, logits: tf.Tensor | None) -> Answers:
        """Returns the answers for the encoder's output and the linear model's logits.

        Args:
            encoder: float32 ``[n, ...]``.
            logits: float32 ``[n, outputs]``.
        """
        raise NotImplementedError

    @override
    def reference_answers(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Returns the answers of the parts as they were trained, joined by NumPy."""
        encoder = linear = None
        if self._encoder is not None:
            answers = self._encoder.reference_answers(texts)
            encoder = np.array([a[self.output] for a in answers], np.float32)
        if self._linear is not None:
            tokens = list(tokenize_texts(self._tokenizer, texts))
            linear = self._linear.outputs(tokens)[self.output]
        columns = self._calibration.outputs(encoder, linear)
        return to_python(self.describe(columns), len(texts))

    def describe(self, columns: dict[str, np.ndarray]) -> Answers:
        """Returns the answers for the columns of predictions."""
        return {name: tf.constant(values) for name, values in columns.items()}
