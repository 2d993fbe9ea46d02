"""Causal language modeling: every token is predicted from those before it."""

from __future__ import annotations

import keras
import tensorflow as tf
from typing_extensions import override

from textmill.models.backbones.transformer import output_initializer
from textmill.models.tasks.chunked_loss import chunked_cross_entropy
from textmill.models.tasks.config import CausalLMConfig
from textmill.models.tasks.task import Features, Rows, Task


class CausalLM(Task):
    """Predicts every next token; the output layer is the token embedding.

    Of a prompt and its response, the response alone counts.
    """

    task_config: CausalLMConfig = CausalLMConfig()

    def _build(self) -> keras.Model:
        hidden = self.family.sequence(self._hidden)
        self._states = keras.Model(self._inputs, hidden)
        if self.config.choices.tied_embeddings:
            self._output = self.backbone.token_embedding
            return keras.Model(self._inputs, self._output(hidden, reverse=True))
        self._output = keras.layers.Dense(
            self.vocabulary_size,
            use_bias=False,
            kernel_initializer=output_initializer(self.config),
            name="token_logits",
        )
        return keras.Model(self._inputs, self._output(hidden))

    @override
    def sums(self, features: Features, *, training: bool) -> dict[str, tf.Tensor]:
        if self.task_config.loss_chunk is None:
            return super().sums(features, training=training)
        inputs = {name: features[name] for name in self._inputs}
        return chunked_cross_entropy(
            self._states(inputs, training=training),
            self._matrix(),
            features["targets"],
            features["weights"],
            chunk=self.task_config.loss_chunk,
        )

    def _matrix(self) -> tf.Tensor:
        if self.config.choices.tied_embeddings:
            return tf.convert_to_tensor(self._output.embeddings)
        return tf.transpose(self._output.kernel)

    @override
    def head_flops(self, length: int) -> int:
        return length * 2 * self.config.width * self.vocabulary_size

    @override
    def features(self, rows: Rows) -> Features:
        ids, length = rows["ids"], rows["length"]
        width = tf.shape(ids)[1] - 1
        at = tf.range(width)[None, :]
        counts = at + 1 < length[:, None]
        if "answer" in rows:
            counts &= rows["answer"][:, 1:] > 0
        return {
            "ids": ids[:, :-1],
            "mask": self._mask(rows, width),
            "targets": ids[:, 1:],
            "weights": tf.cast(counts, tf.float32),
        }
