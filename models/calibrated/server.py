"""Base class of joint models as one graph: raw texts to the answers of both parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from typing_extensions import override

from textmill.models.ensemble.graph import Ensemble
from textmill.models.inference import tokenize_documents
from textmill.models.linear.graph import NgramGraph
from textmill.models.linear.model import LinearModel
from textmill.models.tasks.server import Answers, Server, ServingOptions, to_python
from textmill.models.tasks.task import Rows, Task
from textmill.models.texts import text_columns
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
        num_texts: int = 1,
    ) -> None:
        tf.Module.__init__(self)
        self._tokenizer, self.options = tokenizer, options
        self._linear, self._calibration = linear, calibration
        self._graph, self._num_texts = None, num_texts
        self._encoder: Server | None = None
        if encoder is not None:
            self._encoder = encoder.serve(tokenizer, options)
        self._ngrams: NgramGraph | None = None
        if linear is not None:
            self._ngrams = NgramGraph(linear)

    @property
    @override
    def num_texts(self) -> int:
        return self._num_texts

    @override
    def rows(self, *texts: tf.Tensor) -> Rows:
        rows = {} if self._encoder is None else self._encoder.rows(*texts)
        if self._ngrams is not None:
            rows["tokens"] = self._all_tokens(texts)
        return rows

    def _all_tokens(self, texts: Sequence[tf.Tensor]) -> tf.RaggedTensor:
        """Returns the tokens of whole documents, an end token between their texts."""
        first, *others = (self._tokenizer.tokenize_untrusted(text) for text in texts)
        if not others:
            return first
        end = tf.fill([first.nrows(), 1], self._tokenizer.specials.end)
        parts = [part for tokens in others for part in (end, tokens)]
        return tf.concat([first, *parts], axis=1)

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
    def reference_answers(
        self, texts: Sequence[str | Sequence[str]]
    ) -> list[dict[str, Any]]:
        """Returns the answers of the parts as they were trained, joined by NumPy."""
        encoder = linear = None
        if self._encoder is not None:
            answers = self._encoder.reference_answers(texts)
            encoder = np.array([a[self.output] for a in answers], np.float32)
        if self._linear is not None:
            documents = zip(*text_columns(texts, self.num_texts), strict=True)
            tokens = list(tokenize_documents(self._tokenizer, documents))
            linear = self._linear.outputs(tokens)[self.output]
        columns = self._calibration.outputs(encoder, linear)
        return to_python(self.describe(columns), len(texts))

    def describe(self, columns: dict[str, np.ndarray]) -> Answers:
        """Returns the answers for the columns of predictions."""
        return {name: tf.constant(values) for name, values in columns.items()}
