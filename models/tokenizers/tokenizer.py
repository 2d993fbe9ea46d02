"""Base class of tokenizers: control tokens, framing for serving, files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from textmill.models.tokenizers.offsets import (
    Characters,
    Ranges,
    byte_offsets,
    bytes_of_characters,
    characters_of_bytes,
)

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ROLES = ("pad", "unknown", "start", "end", "mask")
SPEC_FILE = "tokenizer.json"
VOCABULARY_FILE = "vocab.json"
SENTENCEPIECE_FILE = "spiece.model"
FORMS = {"nfc": "NFC", "nfkc": "NFKC"}
DECOMPOSED = {"nfc": "NFD", "nfkc": "NFKD"}
"""The form that has the same characters, one by one."""


@dataclass(frozen=True)
class SpecialTokens:
    """Ids of the control tokens; no text tokenizes to one except ``unknown``.

    A token may have several roles: GPT-2's ``<|endoftext|>`` pads, starts and ends.
    """

    pad: int
    unknown: int | None
    """None if every text has tokens, as with bytes."""
    start: int
    end: int
    mask: int | None
    """None for vocabularies that cannot serve masked language models."""

    @classmethod
    def of(
        cls, tokens: Sequence[str], names: Mapping[str, str | None] | None = None
    ) -> SpecialTokens:
        """Finds control tokens in a vocabulary.

        Args:
            tokens: the vocabulary, by id.
            names: the tokens of ``pad``, ``unknown``, ``start``, ``end`` and ``mask``;
                by default BERT's, of which only ``[MASK]`` may be missing.

        Raises:
            ValueError: a token is missing.
        """
        index = {token: i for i, token in enumerate(tokens)}
        if names is None:
            names = dict(zip(ROLES, SPECIAL_TOKENS, strict=True))
            if SPECIAL_TOKENS[-1] not in index:
                names["mask"] = None
        present = {
            role: name for role in ROLES if (name := names.get(role)) is not None
        }
        missing = [name for name in present.values() if name not in index]
        missing += [r for r in ("pad", "start", "end") if r not in present]
        if missing:
            raise ValueError(f"the vocabulary lacks {', '.join(missing)}")
        ids = {role: index[name] for role, name in present.items()}
        return cls(**{role: ids.get(role) for role in ROLES})

    @property
    def control(self) -> tuple[int, ...]:
        """The sorted ids that never come from text and that ``detokenize`` drops."""
        ids = {self.pad, self.start, self.end, self.mask} - {None}
        return tuple(sorted(ids))


class TokenIds(NamedTuple):
    """The ids of a vocabulary.

    Attributes:
        size: number of tokens.
        specials: ids of the control tokens.
    """

    size: int
    specials: SpecialTokens


class Tokenizer(tf.Module):
    """Texts -> ragged token ids without control tokens.

    Attributes:
        specials: ids of the control tokens.
        size: number of tokens.
        tokens: the vocabulary's tokens by id, in the kind's own notation.
        target: the tokenizer of targets with a vocabulary of their own, or None.
    """

    target: Tokenizer | None = None

    kind: str
    specials: SpecialTokens
    size: int
    tokens: Sequence[str]

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenizes UTF-8 texts ``[n]`` to int32 ids ``[n, None]``."""
        raise NotImplementedError

    def detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        """Joins int32 ids ``[n, None]`` to texts ``[n]``; drops control tokens."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Writes the tokenizer's files."""
        raise NotImplementedError

    @property
    def of_targets(self) -> Tokenizer:
        """The tokenizer of targets, which is this one where they share a vocabulary."""
        return self.target or self

    @property
    def target_ids(self) -> TokenIds | None:
        """The ids of the targets' own vocabulary, or None."""
        if self.target is None:
            return None
        return TokenIds(self.target.size, self.target.specials)

    def word_start_flags(self) -> np.ndarray:
        """Returns true for tokens that begin a word, bool ``[size]``.

        Control tokens do: they never continue a word. The docstring of each kind
        states its rule.
        """
        starts = np.array([self._begins_word(token) for token in self.tokens], bool)
        starts[list(self.specials.control)] = True
        if self.specials.unknown is not None:
            starts[self.specials.unknown] = True
        return starts

    def _begins_word(self, token: str) -> bool:
        raise NotImplementedError

    def tokenize_untrusted(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenizes texts of unknown origin: replaces broken UTF-8 by U+FFFD.

        For valid UTF-8, the ids are those of ``__call__``.
        """
        return self(replace_broken(texts))

    def tokenize_with_offsets(
        self, texts: tf.Tensor
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Tokenizes texts of unknown origin, and finds the bytes of each token.

        Bytes are those of the text as given, before normalization and even with broken
        UTF-8. A token that is part of a character has the bytes of all of it, and so
        may overlap its neighbour; spaces that a token includes are among its bytes. A
        token that stands for nothing in the text, such as SentencePiece's first space,
        starts and ends at one byte.

        Returns:
            ids of ``tokenize_untrusted``, first bytes, and ends (the byte after the
            last one), each int32 ``[n, None]``.
        """
        valid = replace_broken(texts)
        characters = Characters.of(valid)
        ids, ranges = self._tokens_of_characters(valid, characters)
        starts, ends = byte_offsets(ranges, Characters.of(texts), ids.row_splits)
        return ids, starts, ends

    def _tokens_of_characters(
        self, texts: tf.Tensor, characters: Characters
    ) -> tuple[tf.RaggedTensor, Ranges]:
        """Returns the ids of valid texts ``[n]``, and the characters of each token."""
        raise NotImplementedError

    def pack(self, texts: tf.Tensor, length: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Tokenizes texts to padded rows: start, tokens, end, truncated to ``length``.

        Returns:
            int32 ids ``[n, <= length]`` and int32 lengths ``[n]``.
        """
        tokens = self.tokenize_untrusted(texts)[:, : length - 2]
        rows = tokens.nrows()
        start = tf.fill([rows, 1], self.specials.start)
        end = tf.fill([rows, 1], self.specials.end)
        packed = tf.concat([start, tokens, end], axis=1)
        ids = packed.to_tensor(self.specials.pad)
        return ids, tf.cast(packed.row_lengths(), tf.int32)

    def _drop_specials(self, ids: tf.RaggedTensor) -> tf.RaggedTensor:
        control = tf.constant(self.specials.control)
        keep = tf.reduce_all(ids.flat_values[:, None] != control, axis=1)
        return tf.ragged.boolean_mask(ids, ids.with_flat_values(keep))


def replace_broken(texts: tf.Tensor) -> tf.Tensor:
    """Replaces broken UTF-8 by U+FFFD."""
    return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")


def normalize(texts: tf.Tensor, *, lowercase: bool, form: str) -> tf.Tensor:
    """Applies the Unicode form, if any, and then lower-cases if asked to."""
    if form not in FORMS and not lowercase:
        return texts
    # The ops read texts as C strings, which NUL would end.
    parts = tf.strings.split(texts, "\0")
    flat = parts.flat_values
    if form in FORMS:
        flat = tf_text.normalize_utf8(flat, FORMS[form])
    if lowercase:
        flat = tf.strings.lower(flat, encoding="utf-8")
    # As an attribute of an op, the separator NUL would be empty.
    ended = parts.with_flat_values(tf.strings.join([flat, tf.constant("\0")]))
    joined = tf.strings.reduce_join(ended, axis=1)
    length = tf.strings.length(joined) - 1
    return tf.strings.substr(joined, tf.zeros_like(length), length)


def normalized_ranges(
    tokens: Ranges, characters: Characters, *, lowercase: bool, form: str
) -> Ranges:
    """Returns the characters of texts for tokens' bytes of ``normalize``'s texts."""
    if form not in FORMS:
        return characters_of_bytes(
            characters.lengths(lambda t: normalize(t, lowercase=lowercase, form=form)),
            tokens,
        )
    texts = tf.strings.unicode_encode(
        tf.RaggedTensor.from_row_splits(
            characters.points, characters.splits, validate=False
        ),
        "UTF-8",
    )
    composed = Characters.of(normalize(texts, lowercase=False, form=form))
    lower = composed.lengths(lambda t: normalize(t, lowercase=lowercase, form="none"))
    decomposed = bytes_of_characters(
        composed.lengths(lambda t: _decompose(t, form)),
        characters_of_bytes(lower, tokens),
    )
    lengths = characters.lengths(lambda t: _decompose(t, form))
    return characters_of_bytes(lengths, decomposed)


def _decompose(characters: tf.Tensor, form: str) -> tf.Tensor:
    """Decomposes characters ``[n]``; the op reads NUL as the end of a string."""
    decomposed = tf_text.normalize_utf8(characters, DECOMPOSED[form])
    return tf.where(characters == tf.constant("\0"), characters, decomposed)


def write_spec(folder: Path, **spec: object) -> None:
    """Writes a tokenizer's settings."""
    text = json.dumps(spec, sort_keys=True, indent=1)
    (folder / SPEC_FILE).write_text(text + "\n", encoding="utf-8")


def write_tokens(folder: Path, tokens: Sequence[str]) -> None:
    """Writes tokens as a JSON list, one per line."""
    text = json.dumps(tokens, ensure_ascii=False, indent=0)
    (folder / VOCABULARY_FILE).write_text(text + "\n", encoding="utf-8")
