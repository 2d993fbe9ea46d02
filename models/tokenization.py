"""Tokenizers: texts become token ids, by the same ops offline and in the SavedModel.

One class a kind. A tokenizer is a ``tf.Module`` made of graph ops alone, Unicode
normalization included; what makes the training rows is what answers in production.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text
from typing_extensions import override

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SPEC_FILE = "tokenizer.json"
VOCABULARY_FILE = "vocab.json"
SENTENCEPIECE_FILE = "spiece.model"


@dataclass(frozen=True)
class Specials:
    """Ids of the control tokens; no text ever tokenizes to one but ``unknown``."""

    pad: int
    unknown: int
    start: int
    end: int
    mask: int

    @classmethod
    def of(cls, tokens: Sequence[str]) -> Specials:
        """Finds BERT's control tokens in a vocabulary.

        Raises:
            ValueError: one is missing.
        """
        index = {token: i for i, token in enumerate(tokens)}
        missing = [token for token in SPECIAL_TOKENS if token not in index]
        if missing:
            raise ValueError(f"the vocabulary lacks {', '.join(missing)}")
        return cls(*(index[token] for token in SPECIAL_TOKENS))


class Tokenizer(tf.Module):
    """Texts -> ragged token ids without control tokens.

    Attributes:
        specials: ids of the control tokens.
        size: number of entries.
    """

    kind: str
    specials: Specials
    size: int

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenizes UTF-8 texts ``[n]`` to int32 ids ``[n, None]``."""
        raise NotImplementedError

    def detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        """Joins int32 ids ``[n, None]`` to texts ``[n]``; control tokens vanish."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Writes the tokenizer's files."""
        raise NotImplementedError

    def receive(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenizes what comes from outside: broken UTF-8 becomes U+FFFD first.

        Documents hold none, so that their ids are those of ``__call__``.
        """
        return self(
            tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
        )

    def pack(self, texts: tf.Tensor, length: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Receives texts as padded rows: start, tokens, end, cut to ``length``.

        Returns:
            int32 ids ``[n, <= length]`` and int32 lengths ``[n]``.
        """
        tokens = self.receive(texts)[:, : length - 2]
        rows = tokens.nrows()
        start = tf.fill([rows, 1], self.specials.start)
        end = tf.fill([rows, 1], self.specials.end)
        packed = tf.concat([start, tokens, end], axis=1)
        ids = packed.to_tensor(self.specials.pad)
        return ids, tf.cast(packed.row_lengths(), tf.int32)

    def _drop_specials(self, ids: tf.RaggedTensor) -> tf.RaggedTensor:
        s = self.specials
        control = [s.pad, s.start, s.end, s.mask]
        keep = tf.reduce_all(ids.flat_values[:, None] != tf.constant(control), axis=1)
        return tf.ragged.boolean_mask(ids, ids.with_flat_values(keep))


def bert_normalize(texts: tf.Tensor) -> tf.Tensor:
    """Lower-cases, decomposes (NFD) and strips marks (Mn), as BERT does to words."""
    texts = tf.strings.lower(texts, encoding="utf-8")
    texts = tf_text.normalize_utf8(texts, "NFD")
    return tf.strings.regex_replace(texts, r"\p{Mn}", "")


class WordPiece(Tokenizer):
    """BERT's WordPiece by ``FastBertTokenizer``.

    ``bert`` normalization lower-cases, decomposes (NFD) and strips marks (Mn) by graph
    ops before, which gives the ids of the original implementation; ``fast`` leaves that
    to the op, which also folds compatibility forms (NFKC).
    """

    kind = "wordpiece"

    def __init__(
        self, tokens: Sequence[str], *, lowercase: bool = True, normalization: str
    ) -> None:
        super().__init__()
        self._tokens, self._lowercase = list(tokens), lowercase
        self._normalization = normalization
        self.specials, self.size = Specials.of(tokens), len(tokens)
        self._op = tf_text.FastBertTokenizer(
            vocab=self._tokens,
            token_out_type=tf.int32,
            unknown_token=SPECIAL_TOKENS[1],
            support_detokenization=True,
            lower_case_nfd_strip_accents=lowercase and normalization == "fast",
        )

    @override
    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        if self._lowercase and self._normalization == "bert":
            texts = bert_normalize(texts)
        return self._op.tokenize(texts)

    @override
    def detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        return self._op.detokenize(self._drop_specials(ids))

    @override
    def save(self, folder: Path) -> None:
        _write_spec(
            folder,
            kind=self.kind,
            lowercase=self._lowercase,
            normalization=self._normalization,
        )
        _write_tokens(folder, self._tokens)


class SentencePiece(Tokenizer):
    """SentencePiece Unigram by ``FastSentencepieceTokenizer``; the model normalizes."""

    kind = "sentencepiece"

    def __init__(self, model: bytes) -> None:
        import sentencepiece

        super().__init__()
        self._model = model
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.size = processor.vocab_size()
        self.specials = Specials.of(
            [processor.id_to_piece(i) for i in range(min(self.size, 16))]
        )
        self._op = tf_text.FastSentencepieceTokenizer(model)

    @override
    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        return self._op.tokenize(texts)

    @override
    def detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        return self._op.detokenize(self._drop_specials(ids))

    @override
    def save(self, folder: Path) -> None:
        _write_spec(folder, kind=self.kind)
        (folder / SENTENCEPIECE_FILE).write_bytes(self._model)


class Character(Tokenizer):
    """One token a Unicode code point."""

    kind = "character"

    def __init__(self, tokens: Sequence[str], *, lowercase: bool = False) -> None:
        super().__init__()
        self._tokens, self._lowercase = list(tokens), lowercase
        self.specials, self.size = Specials.of(tokens), len(tokens)
        points = [ord(token) for token in tokens[len(SPECIAL_TOKENS) :]]
        assert points == sorted(set(points)), "characters are sorted and unique"
        self._points = np.array(points, np.int32)

    @override
    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        if self._lowercase:
            texts = tf.strings.lower(texts, encoding="utf-8")
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
        _write_spec(folder, kind=self.kind, lowercase=self._lowercase)
        _write_tokens(folder, self._tokens)


def load_tokenizer(folder: Path) -> Tokenizer:
    """Reads a tokenizer that ``save`` wrote."""
    spec = json.loads((folder / SPEC_FILE).read_text(encoding="utf-8"))
    kind = spec.pop("kind")
    if kind == SentencePiece.kind:
        return SentencePiece((folder / SENTENCEPIECE_FILE).read_bytes())
    tokens = json.loads((folder / VOCABULARY_FILE).read_text(encoding="utf-8"))
    return {WordPiece.kind: WordPiece, Character.kind: Character}[kind](tokens, **spec)


def _write_spec(folder: Path, **spec: object) -> None:
    text = json.dumps(spec, sort_keys=True, indent=1)
    (folder / SPEC_FILE).write_text(text + "\n", encoding="utf-8")


def _write_tokens(folder: Path, tokens: Sequence[str]) -> None:
    text = json.dumps(tokens, ensure_ascii=False, indent=0)
    (folder / VOCABULARY_FILE).write_text(text + "\n", encoding="utf-8")
