"""Token statistics of documents: lengths, unknown tokens, unused vocabulary.

Only the beginning of every shard is tokenized: shards are in random order.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from textmill.components.artifacts import Documents, Vocabulary
from textmill.components.profiler.sketches import LengthHistogram
from textmill.components.shards import first_texts, group
from textmill.models.tokenizers import load_tokenizer

if TYPE_CHECKING:
    from textmill.models.tokenizers import Tokenizer

NUM_LISTED = 20
_BATCH_CHARS = 1 << 18
_PERCENTILES = (50, 95, 99, 100)


def measure_tokens(
    documents: Documents, vocabulary: Vocabulary, *, sample_bytes: int
) -> tuple[dict[str, dict[str, Any]], dict[str, float]]:
    """Tokenizes a sample of each split.

    Args:
        documents: the splits.
        vocabulary: the tokenizer.
        sample_bytes: bytes of text per split, rounded up to a whole document.

    Returns:
        Statistics by split, and ``bytes`` and ``seconds`` of tokenizing on one thread.
    """
    tokenizer = load_tokenizer(vocabulary.path)
    tokenizer(tf.constant(["warm"]))
    statistics, speed = {}, {"bytes": 0.0, "seconds": 0.0}
    for split in documents.splits:
        shards = documents.shards(split)
        share = -(-sample_bytes // max(1, len(shards)))
        texts = (text for shard in shards for text in first_texts(shard, share))
        stats = TokenStats(tokenizer)
        for batch in group(texts, len, least=_BATCH_CHARS):
            stats.add(batch)
        if stats.num_documents:
            statistics[split] = stats.describe()
            speed["bytes"] += stats.num_bytes
            speed["seconds"] += stats.seconds
    return statistics, speed


class TokenStats:
    """Token counts of the texts of a split."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._counts = np.zeros(tokenizer.size, np.int64)
        self._lengths = LengthHistogram()
        self.num_documents = self.num_bytes = self._words = self._characters = 0
        self.seconds = 0.0

    def add(self, texts: Sequence[str]) -> None:
        """Tokenizes and counts a batch of texts."""
        encoded = [text.encode() for text in texts]
        began = time.perf_counter()
        ids = self._tokenizer(tf.constant(encoded))
        flat = ids.flat_values.numpy()
        self.seconds += time.perf_counter() - began
        self._counts += np.bincount(flat, minlength=len(self._counts))
        self._lengths += LengthHistogram.of(ids.row_lengths().numpy())
        self.num_documents += len(texts)
        self.num_bytes += sum(map(len, encoded))
        self._words += sum(len(text.split()) for text in texts)
        self._characters += sum(map(len, texts))

    def describe(self) -> dict[str, Any]:
        """Returns the counts as JSON values; rates are rounded to six places."""
        counts, specials = self._counts, self._tokenizer.specials
        tokens, unused = int(counts.sum()), counts == 0
        unknown = 0 if specials.unknown is None else int(counts[specials.unknown])
        unused[
            [id for id in (*specials.control, specials.unknown) if id is not None]
        ] = 0
        ranked = np.lexsort((np.arange(len(counts)), -counts))[:NUM_LISTED]
        ranked = ranked[counts[ranked] > 0]
        return {
            "documents": self.num_documents,
            "bytes": self.num_bytes,
            "tokens": tokens,
            "unknown": unknown,
            "unknown_share": _ratio(unknown, tokens),
            "tokens_a_word": _ratio(tokens, self._words),
            "tokens_a_character": _ratio(tokens, self._characters),
            "bytes_a_token": _ratio(self.num_bytes, tokens),
            "entries": len(counts),
            "unused_entries": int(unused.sum()),
            "lengths": {
                f"p{percent}" if percent < 100 else "max": self._lengths.percentile(
                    percent
                )
                for percent in _PERCENTILES
            },
            "frequent": [
                {"token": token, "count": int(counts[id])}
                for token, id in zip(self._spell(ranked), ranked, strict=True)
            ],
            "longest": self._longest(),
        }

    def _longest(self) -> list[dict[str, Any]]:
        """Returns the longest tokens that were used, in characters."""
        used = np.flatnonzero(self._counts)
        tokens = sorted(zip(self._spell(used), used.tolist(), strict=True), key=_length)
        return [
            {"token": token, "count": int(self._counts[id])}
            for token, id in tokens[: NUM_LISTED // 2]
        ]

    def _spell(self, ids: np.ndarray) -> list[str]:
        rows = tf.RaggedTensor.from_row_splits(
            tf.constant(ids, tf.int32), tf.range(len(ids) + 1, dtype=tf.int64)
        )
        texts = self._tokenizer.detokenize(rows).numpy()
        unknown = self._tokenizer.specials.unknown
        return [
            "[UNK]" if id == unknown else text.decode(errors="replace")
            for id, text in zip(ids, texts, strict=True)
        ]


def _length(token: tuple[str, int]) -> tuple[int, int]:
    return -len(token[0]), token[1]


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0
