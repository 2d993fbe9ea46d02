"""Embedding: texts become vectors, near for texts that belong together.

Rows hold the two or three texts of a document: a text, the one that belongs to it, and
optionally one that does not. The loss is the cross-entropy of finding the second text
of a row among those of other rows (InfoNCE, van den Oord et al., 2018), and for pairs
also of finding the first (symmetric, as in CLIP, Radford et al., 2021).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import override

from textmill.models.ranking import Retrieval
from textmill.models.tasks.config import EmbedConfig
from textmill.models.tasks.server import Answers, Columns, Document, Server
from textmill.models.tasks.task import Features, Rows, Task, token_losses
from textmill.models.tokenizers import Tokenizer

_EXCLUDED = -1e9
"""Logit of a text that does not compete."""
_HASHES = ((0x9E3779B1, 0x85EBCA77), (0xC2B2AE3D, 0x27D4EB2F))


class VectorServer(Server):
    """``vector`` float32 ``[n, width]``, of length 1: products are cosines."""

    @override
    def answer(self, rows: Rows) -> Answers:
        assert isinstance(self._task, Embed)
        return {"vector": self._task.vectors(self._features(rows))}

    @override
    def split_outputs(
        self, documents: Iterable[Document], *, batch: int
    ) -> Iterator[tuple[list[Document], Columns]]:
        """Yields ``rank``, int32, of a document's second text among all of the split.

        ``similarity``, float32, is that of both texts, and ``nearest`` the nearest text
        that competes with the second one, which is itself for rank 1.
        """
        rest, read = iter(documents), list[Document]()
        parts: list[np.ndarray] = []
        while part := list(islice(rest, batch)):
            read += part
            parts.append(self._vectors([document["text"] for document in part]))
        if not read:
            return
        retrieval = Retrieval.of(
            [document["text"] for document in read],
            [document["text_2"] for document in read],
        )
        queries, texts = np.concatenate(parts), retrieval.texts
        corpus = np.concatenate(
            [self._vectors(texts[i : i + batch]) for i in range(0, len(texts), batch)]
        )
        ranks, nearest = retrieval.ranks(lambda block: queries[block] @ corpus.T)
        similarity = np.sum(queries * corpus[retrieval.own], axis=1)
        for i in range(0, len(read), batch):
            rows = slice(i, i + batch)
            yield (
                read[rows],
                {
                    "rank": ranks[rows],
                    "similarity": similarity[rows],
                    "nearest": [texts[number] for number in nearest[rows].tolist()],
                },
            )

    def _vectors(self, texts: Sequence[str]) -> np.ndarray:
        vectors: np.ndarray = self.call(texts)["vector"].numpy()
        return vectors


class Embed(Task):
    """Maps a text to the pooled hidden states, scaled to length 1.

    A row's loss is that of its group of ``contrast_size`` rows of a batch, so it does
    not depend on the other rows that a replica or a part of the step has.
    """

    task_config: EmbedConfig = EmbedConfig()
    server_class = VectorServer

    @property
    @override
    def group_size(self) -> int:
        return self.task_config.contrast_size

    def _build(self) -> keras.Model:
        return keras.Model(self._inputs, self._pooled())

    def _pooled(self) -> keras.KerasTensor:
        """Returns ``[batch, width]``: the first token's state, or the family's own."""
        if self.config.family == "bert" and self.config.pooling == "first":
            return self.family.sequence(self._hidden)[:, 0]
        return self.family.pooled(self._hidden, self._inputs["mask"], self.config)

    @override
    def head_flops(self, length: int) -> int:
        return 0

    @override
    def example_rows(self, tokenizer: Tokenizer, texts: Sequence[str]) -> Rows:
        rows = super().example_rows(tokenizer, texts)
        ids, length = rows["ids"], rows["length"]  # [n, length], [n]
        pairs = {
            "ids": tf.stack([ids, tf.roll(ids, 1, axis=0)], axis=1),
            "lengths": tf.stack([length, tf.roll(length, 1, axis=0)], axis=1),
        }
        return {**rows, **pairs}

    @override
    def features(self, rows: Rows) -> Features:
        ids = rows["ids"]  # [batch, texts, length]
        positions = tf.range(tf.shape(ids)[2])
        return {
            "ids": ids,
            "mask": tf.cast(positions < rows["lengths"][..., None], tf.int32),
            "weights": tf.ones_like(ids[:, 0, 0], tf.float32),
        }

    def vectors(self, features: Features, *, training: bool = False) -> tf.Tensor:
        """Returns float32 ``[..., width]`` of ids and mask ``[..., length]``."""
        shape = tf.shape(features["ids"])
        flat = {
            name: tf.reshape(features[name], [-1, shape[-1]])
            for name in ("ids", "mask")
        }
        pooled = tf.cast(self._call(flat, training=training), tf.float32)
        vectors = tf.math.l2_normalize(pooled, axis=-1, epsilon=1e-24)
        return tf.reshape(vectors, tf.concat([shape[:-1], [self.config.width]], 0))

    @override
    def loss_sums(self, features: Features, *, training: bool) -> dict[str, tf.Tensor]:
        """Sums the loss of each row against the texts of its group, and hits."""
        vectors = self.vectors(features, training=training)
        num_texts, size = features["ids"].shape[1], self.group_size
        vectors, hashes = (  # [groups, size, texts, ...]
            tf.reshape(x, tf.concat([[-1, size], tf.shape(x)[1:]], 0))
            for x in (vectors, _hash(features["ids"]))
        )
        weights = tf.reshape(features["weights"], [-1, size])
        # [groups, size, (texts - 1) * size]
        others = [vectors[:, :, number] for number in range(1, num_texts)]
        logits = tf.matmul(
            vectors[:, :, 0], tf.concat(others, axis=1), transpose_b=True
        )
        logits /= self.task_config.temperature
        excluded = _excluded(hashes, weights, num_texts=num_texts)
        target = tf.broadcast_to(tf.range(size), tf.shape(weights))
        losses, hits = token_losses(tf.where(excluded, _EXCLUDED, logits), target)
        if num_texts == 2:
            back = tf.linalg.matrix_transpose(logits)
            losses += token_losses(tf.where(excluded, _EXCLUDED, back), target)[0]
            losses /= 2.0
        sums = {"loss": losses * weights, "weight": weights, "correct": hits * weights}
        return {name: tf.reshape(value, [-1]) for name, value in sums.items()}


def _hash(ids: tf.Tensor) -> tf.Tensor:
    """Hashes ids ``[..., length]`` to uint32 ``[..., 2]``; equal rows to equal ones."""
    place = tf.range(1, tf.shape(ids)[-1] + 1)
    hashes = []
    for token_factor, place_factor in _HASHES:
        x = tf.cast(ids, tf.uint32) * np.uint32(token_factor)
        x ^= tf.cast(place, tf.uint32) * np.uint32(place_factor)
        x = (x ^ tf.bitwise.right_shift(x, np.uint32(15))) * np.uint32(token_factor)
        x ^= tf.bitwise.right_shift(x, np.uint32(13))
        hashes.append(tf.reduce_sum(x, axis=-1))
    return tf.stack(hashes, axis=-1)


def _excluded(hashes: tf.Tensor, weights: tf.Tensor, *, num_texts: int) -> tf.Tensor:
    """Marks texts that do not count as negatives: bool ``[groups, size, others]``.

    These are texts that equal a row's first or second one, second texts of rows with
    the same first text, and texts of rows without weight.

    Args:
        hashes: ``[groups, size, texts, 2]``.
        weights: ``[groups, size]``.
        num_texts: texts of a row.
    """

    def equal(number: int, other: int) -> tf.Tensor:
        first, second = hashes[:, :, None, number], hashes[:, None, :, other]
        return tf.reduce_all(first == second, axis=-1)  # [groups, size, size]

    own = tf.eye(tf.shape(weights)[1], dtype=tf.bool)[None]
    absent = weights[:, None, :] <= 0.0
    parts = [(equal(1, 1) | equal(0, 1) | equal(0, 0) | absent) & ~own]
    parts += [equal(1, n) | equal(0, n) | absent for n in range(2, num_texts)]
    return tf.concat(parts, axis=2)
