"""Character: one token per Unicode code point."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from typing_extensions import override

from textmill.models.tokenizers.offsets import (
    Characters,
    Ranges,
    bytes_of_characters,
    utf8_lengths,
)
from textmill.models.tokenizers.tokenizer import (
    SPECIAL_TOKENS,
    SpecialTokens,
    Tokenizer,
    normalize,
    normalized_ranges,
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
        return self._ids(tf.strings.unicode_decode(texts, "UTF-8"))

    def _ids(self, decoded: tf.RaggedTensor) -> tf.RaggedTensor:
        points = decoded.flat_values
        index = tf.searchsorted(self._points, points)
        index = tf.minimum(index, len(self._points) - 1)
        known = tf.gather(self._points, index) == points
        ids = tf.where(known, index + len(SPECIAL_TOKENS), self.specials.unknown)
        return decoded.with_flat_values(ids)

    @override
    def _tokens_of_characters(
        self, texts: tf.Tensor, characters: Characters
    ) -> tuple[tf.RaggedTensor, Ranges]:
        form = {"lowercase": self.lowercase, "form": self.normalization}
        decoded = tf.strings.unicode_decode(normalize(texts, **form), "UTF-8")
        numbers = tf.range(tf.size(decoded.flat_values))
        sizes = utf8_lengths(decoded.flat_values)
        tokens = bytes_of_characters(sizes, Ranges(numbers, numbers + 1))
        return self._ids(decoded), normalized_ranges(tokens, characters, **form)

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
