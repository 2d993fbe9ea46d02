"""Counts the words or characters that a vocabulary is learned from, by batch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from textmill.components.vocabulary_learner import TargetVocabularyConfig
from textmill.models.tokenizers import (
    ByteWords,
    bert_normalize,
    byte_alphabet,
    clean,
    letters_and_numbers,
    normalize,
)

_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
"""Characters that BERT's op splits from their neighbours: fixed by the op, and fewer
than those of scripts without spaces (``models/unspaced.py``)."""
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+|[^\w\s]|_")
LONGEST_SENTENCE = 1 << 16
"""Longest text without a space for SentencePiece, in bytes."""

Count = Callable[[Sequence[str], Counter[str]], None]


def _words(config: TargetVocabularyConfig) -> Count:
    """Counts BERT's words, normalized as ``bert`` does."""

    def count(texts: Sequence[str], counts: Counter[str]) -> None:
        value = tf.constant(texts)
        normal = bert_normalize(value) if config.lowercase else clean(value)
        for text in normal.numpy():
            counts.update(_WORD.findall(text.decode()))

    return count


def _byte_words(config: TargetVocabularyConfig) -> Count:
    """Counts GPT-2's words, written in the byte alphabet."""
    splitter = ByteWords(*letters_and_numbers())
    alphabet = np.array([ord(character) for character in byte_alphabet()], np.int32)

    def count(texts: Sequence[str], counts: Counter[str]) -> None:
        chunks, index = splitter.chunks(_normal(texts, config))
        words, firsts = splitter.words(chunks)
        spelled = words.with_flat_values(tf.gather(alphabet, words.flat_values))
        times = np.bincount(index.flat_values, minlength=len(chunks))
        repeated = np.repeat(times, np.diff(firsts)).tolist()
        for word, number in zip(
            tf.strings.unicode_encode(spelled, "UTF-8").numpy().tolist(),
            repeated,
            strict=True,
        ):
            counts[word.decode()] += number

    return count


def _spaced(config: TargetVocabularyConfig) -> Count:
    """Counts words between white space; the learner normalizes them."""

    def count(texts: Sequence[str], counts: Counter[str]) -> None:
        for text in texts:
            counts.update(
                word for word in text.split() if len(word) < LONGEST_SENTENCE // 4
            )

    return count


def _characters(config: TargetVocabularyConfig) -> Count:
    def count(texts: Sequence[str], counts: Counter[str]) -> None:
        for text in _normal(texts, config).numpy():
            counts.update(text.decode())

    return count


def _normal(texts: Sequence[str], config: TargetVocabularyConfig) -> tf.Tensor:
    return normalize(
        tf.constant(texts),
        lowercase=bool(config.lowercase),
        form=config.normalization or "none",
    )


COUNTERS = {
    "wordpiece": _words,
    "sentencepiece": _spaced,
    "bpe": _byte_words,
    "character": _characters,
}
