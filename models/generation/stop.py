"""Texts that end at a stop string, which is not part of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from textmill.models.tokenizers import Tokenizer


def cut_at(texts: tf.Tensor, stops: Sequence[str]) -> tf.Tensor:
    """Returns each text ``[n]`` up to the first of the stop strings."""
    for stop in stops:
        texts = tf.strings.split(texts, stop)[:, :1].flat_values if stop else texts
    return texts


def stop_check(
    tokenizer: Tokenizer, stops: Sequence[str]
) -> tuple[Callable[[tf.Tensor], tf.Tensor] | None, int]:
    """Returns ``ends`` and ``tail`` of ``generate`` for stop strings.

    A token has a byte at least, so as many tokens as the longest stop string has bytes,
    and one more, hold a stop string that has just been completed.
    """
    given = [stop for stop in stops if stop]
    if not given:
        return None, 1
    tail = 1 + max(len(stop.encode()) for stop in given)

    def ends(last: tf.Tensor) -> tf.Tensor:
        texts = tokenizer.detokenize(tf.RaggedTensor.from_tensor(last))
        return tf.strings.length(cut_at(texts, given)) < tf.strings.length(texts)

    return ends, tail
