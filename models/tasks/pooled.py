"""Base class of tasks that read one vector of a row: its pooled hidden states."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf
from typing_extensions import override

from textmill.models.backbones.pooling import mean_of_tokens
from textmill.models.tasks.task import Features, Rows, Task
from textmill.models.tokenizers import Tokenizer


class PooledTask(Task):
    """Base class: a linear layer over the pooled hidden states.

    Attributes:
        target_column: the column of rows that holds the target.
    """

    target_column: str

    @property
    def num_outputs(self) -> int:
        """Width of the last layer."""
        return self.num_labels

    def _build(self) -> keras.Model:
        pooled = keras.layers.Dropout(self.config.dropout, name="dropout")(
            self._pooled()
        )
        logits = keras.layers.Dense(
            self.num_outputs,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="logits",
        )(pooled)
        return keras.Model(self._inputs, logits)

    @property
    def _reads_embeddings(self) -> bool:
        return (
            self.config.family == "bert"
            and self.config.pooling == "mean_and_embeddings"
        )

    def _pooled(self) -> keras.KerasTensor:
        """Returns the input of the head, ``[batch, width]`` or twice the width."""
        mask = self._inputs["mask"]
        states = self.family.pooled(self._hidden, mask, self.config)
        if not self._reads_embeddings:
            return states
        # Normalized, because embeddings are much smaller than states.
        norm = keras.layers.LayerNormalization(name="embeddings_mean_norm")
        embeddings = self.backbone.token_embedding(self._inputs["ids"])
        return keras.ops.concatenate(
            [states, norm(mean_of_tokens(embeddings, mask))], axis=-1
        )

    @override
    def head_flops(self, length: int) -> int:
        width = self.config.width * (2 if self._reads_embeddings else 1)
        return 2 * width * self.num_outputs

    @override
    def example_rows(self, tokenizer: Tokenizer, texts: Sequence[str]) -> Rows:
        rows = super().example_rows(tokenizer, texts)
        return {**rows, self.target_column: self._example_targets(len(texts))}

    def _example_targets(self, count: int) -> tf.Tensor:
        """Returns made-up targets of rows, as ``features`` reads them."""
        raise NotImplementedError

    @override
    def features(self, rows: Rows) -> Features:
        targets = rows[self.target_column]
        types = {"types": rows["types"]} if "types" in self._inputs else {}
        return {
            "ids": rows["ids"],
            "mask": self._mask(rows, tf.shape(rows["ids"])[1]),
            **types,
            "targets": targets,
            "weights": tf.ones([tf.shape(targets)[0]]),
        }
