"""Character: one token per Unicode code point."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from typing_extensions import override

from textmill.models.tokenizers.tokenizer import (
    SPECIAL_TOKENS,
    SpecialTokens,
    Tokenizer,
    normalize,
    write_spec,
    write_tokens,
)
from textmill.models.unspaced import UNSPACED


class Character(Tokenizer):
    """One token per code point of the corpus, after five control tokens.

    Letters and digits always continue a word; ideographs and all other characters begin
    one.
    """

    kind = "character"

    def __init__(
        self,
        tokens: Sequence[str],
        *,
        lowercase: bool = False,
        normalization: str = "none",
    ) -> None:
        super().__init__()
        self.tokens, self.lowercase = tuple(tokens), lowercase
        self.normalization = normalization
        self.specials, self.size = SpecialTokens.of(tokens), len(tokens)
        points = [ord(token) for token in tokens[len(SPECIAL_TOKENS) :]]
        assert points == sorted(set(points)), "characters are sorted and unique"
        self._points = np.array(points, np.int32)

    @override
    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        texts = normalize(texts, lowercase=self.lowercase, form=self.normalization)
        decoded = tf.strings.unicode_decode(texts, "UTF-8")
        points = decoded.flat_values
        index = tf.searchsorted(self._points, points)
        index = tf.minimum(index, len(self._points) - 1)
        known = tf.gather(self._points, index) == points
        ids = tf.where(known, index + len(SPECIAL_TOKENS), self.specials.unknown)
        return decoded.with_flat_values(ids)

    @override
    def detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        ids = self._drop_specials(ids)
        replacement = np.full(len(SPECIAL_TOKENS), 0xFFFD, np.int32)
        points = np.concatenate([replacement, self._points])
        flat = tf.gather(points, ids.flat_values)
        return tf.strings.unicode_encode(ids.with_flat_values(flat), "UTF-8")

    @override
    def save(self, folder: Path) -> None:
        form = self.normalization
        more = {} if form == "none" else {"normalization": form}
        write_spec(folder, kind=self.kind, lowercase=self.lowercase, **more)
        write_tokens(folder, self.tokens)

    @override
    def _begins_word(self, token: str) -> bool:
        point = ord(token[0])
        return not token.isalnum() or any(a <= point < b for a, b in UNSPACED["han"])
