"""Masked language modeling: predicts masked tokens from their context."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import override

from textmill.models.backbones.pooling import mean_of_tokens
from textmill.models.errors import ConfigError
from textmill.models.tasks.config import MaskedLMConfig
from textmill.models.tasks.markdown import escape_markdown
from textmill.models.tasks.masking import apply_masking, sample_masked_positions
from textmill.models.tasks.server import Answers, Server
from textmill.models.tasks.task import Features, Rows, Task, cross_entropy
from textmill.models.tokenizers import Tokenizer

_EPSILON = 1e-12
"""Epsilon of the norm in BERT's head, the same as in its encoder."""


class EmbedServer(Server):
    """``embedding`` float32 ``[n, width]``: the mean state of a text's tokens."""

    @override
    def answer(self, rows: Rows) -> Answers:
        features = self._features(rows)
        family, backbone = self._task.family, self._task.backbone
        outputs = backbone(family.inputs(features["ids"], features["mask"]))
        hidden = tf.cast(family.sequence(outputs), tf.float32)
        return {"embedding": mean_of_tokens(hidden, features["mask"])}


class MaskedLM(Task):
    """Predicts masked tokens: 80 % mask, 10 % random, 10 % kept (BERT, section 3.1).

    With ``next_sentence``, it also predicts from the first token's state whether the
    second sentence follows the first. The loss is the sum of both means.
    """

    server_class = EmbedServer
    task_config: MaskedLMConfig = MaskedLMConfig()

    @property
    @override
    def key_epochs(self) -> int | None:
        return self.task_config.dupe_factor

    @property
    def num_slots(self) -> int:
        """Predictions per row: ceil(rate x length)."""
        return math.ceil(self.task_config.mask_rate * self.config.sequence_length)

    def _build(self) -> keras.Model:
        from keras_hub.layers import MaskedLMHead

        if self.specials.mask is None:
            raise ConfigError(
                "task masked_lm: expected a vocabulary with a mask token, this one has "
                "none; learn one of kind wordpiece or sentencepiece"
            )
        positions = keras.Input((None,), dtype="int32", name="positions")
        tied = self.config.blocks.tied_embeddings
        head = MaskedLMHead(
            vocabulary_size=self.vocabulary_size,
            token_embedding=self.backbone.token_embedding if tied else None,
            intermediate_activation="gelu",
            layer_norm_epsilon=_EPSILON,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="masked_lm_head",
        )
        logits = head(self.family.sequence(self._hidden), mask_positions=positions)
        inputs = {**self._inputs, "positions": positions}
        if not self.next_sentence:
            return keras.Model(inputs, logits)
        first = replace(self.config, pooling="first")
        next_logits = keras.layers.Dense(
            2,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name="next_sentence",
        )(self.family.pooled(self._hidden, self._inputs["mask"], first))
        return keras.Model(inputs, {"tokens": logits, "next": next_logits})

    @override
    def head_flops(self, length: int) -> int:
        width = self.config.width
        return self.num_slots * 2 * width * (width + self.vocabulary_size)

    @override
    def features(self, rows: Rows) -> Features:
        ids = rows["ids"]
        width = ids.shape[1] or tf.shape(ids)[1]
        slots = min(self.num_slots, ids.shape[1] or self.num_slots)
        if ids.shape[1] is None:
            slots = tf.minimum(slots, width)
        masked = sample_masked_positions(
            self.task_config, rows, candidate=self._candidates(rows), slots=slots
        )
        masked_ids = apply_masking(
            rows,
            masked=masked,
            mask=self.specials.mask,
            vocabulary_size=self.vocabulary_size,
        )
        slot = tf.range(slots)[None, :]
        features = {
            "ids": masked_ids,
            "mask": self._mask(rows, width),
            "positions": masked.positions,
            "targets": tf.gather(ids, masked.positions, batch_dims=1),
            "weights": tf.cast(slot < masked.num[:, None], tf.float32),
        }
        if self.next_sentence:
            features |= {"types": rows["types"], "follows": rows["follows"]}
        return features

    def _candidates(self, rows: Rows) -> tf.Tensor:
        ids = rows["ids"]
        inside = tf.range(tf.shape(ids)[1])[None, :] < rows["length"][:, None]
        for special in self.specials.control:
            inside &= ids != special
        return inside

    @property
    @override
    def sum_names(self) -> tuple[str, ...]:
        more = ("next_loss", "next_correct", "rows") * self.next_sentence
        return (*super().sum_names, *more)

    @override
    def loss_sums(self, features: Features, *, training: bool) -> dict[str, tf.Tensor]:
        if not self.next_sentence:
            return super().loss_sums(features, training=training)
        outputs = self._call(features, training=training)
        sums = cross_entropy(
            outputs["tokens"], features["targets"], features["weights"]
        )
        real = tf.cast(sums["weight"] > 0.0, tf.float32)
        follows = cross_entropy(outputs["next"], features["follows"], real)
        return {
            **sums,
            "next_loss": follows["loss"] * sums["weight"],
            "next_correct": follows["correct"],
            "rows": real,
        }

    @override
    def means(self, sums: dict[str, float]) -> dict[str, float]:
        means = super().means(sums)
        if self.next_sentence:
            weight, rows = max(sums["weight"], 1.0), max(sums["rows"], 1.0)
            means["next_loss"] = sums["next_loss"] / weight
            means["next_accuracy"] = sums["next_correct"] / rows
        return means

    @override
    def loss(self, sums: dict[str, tf.Tensor]) -> tf.Tensor:
        if not self.next_sentence:
            return sums["loss"]
        return sums["loss"] + sums["next_loss"]

    @override
    def logits(self, features: Features, *, training: bool = False) -> Any:
        outputs = self._call(features, training=training)
        return outputs["tokens"] if self.next_sentence else outputs

    @override
    def sample(self, rows: Rows, tokenizer: Tokenizer) -> list[str]:
        """Returns rows with predictions in bold, then the true token if it differs."""
        features = self.features(rows)
        logits = keras.ops.convert_to_numpy(self.logits(features))
        tokens = [escape_markdown(token) for token in tokenizer.tokens]
        samples = []
        for row in range(len(logits)):
            words = [tokens[i] for i in features["ids"][row].numpy()]
            for slot in np.flatnonzero(features["weights"][row].numpy()):
                taken = tokens[int(logits[row, slot].argmax())]
                real = tokens[int(features["targets"][row, slot])]
                right = "" if taken == real else f" ({real})"
                words[int(features["positions"][row, slot])] = f"**{taken}**{right}"
            samples.append(" ".join(words[: int(rows["length"][row])]))
        return samples
