"""Byte-level byte-pair encoding: GPT-2's tokenizer, the same graph everywhere."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import tensorflow as tf
from typing_extensions import override

from textmill.models.tokenizers.gpt2_pretokenizer import ByteWords, letters_and_numbers
from textmill.models.tokenizers.offsets import Characters, Ranges, bytes_of_characters
from textmill.models.tokenizers.sentencepiece_proto import (
    BPE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    ModelProto,
)
from textmill.models.tokenizers.sentencepiece_resource import named_tokenizer
from textmill.models.tokenizers.tokenizer import (
    SpecialTokens,
    Tokenizer,
    normalize,
    normalized_ranges,
    write_spec,
    write_tokens,
)

Merge = tuple[str, str]
MERGES_FILE = "merges.txt"
BYTE_PAIR_SPECIALS = {
    "pad": "<|pad|>",
    "start": "<|start|>",
    "end": "<|endoftext|>",
    "mask": "<|mask|>",
}
"""Control tokens of learned vocabularies, in the order of their ids."""
_HEADER = "#version: 0.2"
# An empty table of replacements: without one, the op logs a warning.
_NO_REPLACEMENTS = struct.pack("<I", 1024) + bytes(1025)


def byte_alphabet() -> list[str]:
    """Returns GPT-2's printable character for each byte."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(b if b in plain else next(others)) for b in range(256)]


def spell(text: str) -> str:
    """Writes a text's UTF-8 bytes in the byte alphabet."""
    alphabet = byte_alphabet()
    return "".join(alphabet[byte] for byte in text.encode())


class BytePair(Tokenizer):
    """Byte-level BPE, equal to GPT-2's and to Hugging Face's ``BPE`` + ``ByteLevel``.

    Lossless for every text. ``ByteWords`` splits the words; SentencePiece's BPE merges
    their bytes. It looks up the concatenation of two neighbours where GPT-2 looks up
    the pair, and the two agree: if neighbours x and y concatenate to token t, no merge
    has crossed t's ends yet, so all merges were those of t alone, and t alone passes
    through only one pair, its last. Tokens that their own bytes do not merge to are
    left out: they never occur.

    Tokens begin a word unless their first byte is an ASCII letter or digit, or part of
    a longer character.
    """

    kind = "bpe"

    def __init__(
        self,
        tokens: Sequence[str],
        merges: Sequence[Merge],
        *,
        specials: Mapping[str, str | None],
        lowercase: bool = False,
        normalization: str = "none",
        letters: str | None = None,
        numbers: str | None = None,
    ) -> None:
        super().__init__()
        self.tokens, self.merges = tuple(tokens), tuple(merges)
        self.names = {role: name for role, name in specials.items() if name is not None}
        self.specials, self.size = SpecialTokens.of(tokens, self.names), len(tokens)
        self.lowercase, self.normalization = lowercase, normalization
        known = letters_and_numbers() if letters is None else (letters, numbers or "")
        self._letters, self._numbers = known
        self._words = ByteWords(*known)
        alphabet = byte_alphabet()
        self._alphabet = tf.constant([ord(c) for c in alphabet], tf.int32)
        self._bytes = [_to_bytes(token) for token in tokens]
        model = _merging_model(self.tokens, self.merges, self.specials)
        self._op = named_tokenizer(model)

        # Many small ops: a third faster as one function.
        signature = [tf.TensorSpec([None], tf.string)]
        self._function = tf.function(self._tokenize, signature, autograph=False)

    @override
    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        return self._function(texts)

    def _tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        texts = normalize(texts, lowercase=self.lowercase, form=self.normalization)
        chunks, index = self._words.chunks(texts)
        ids = tf.gather(self._tokenize_chunks(chunks), index.flat_values)
        return tf.RaggedTensor.from_row_splits(
            ids.flat_values,
            tf.gather(ids.row_splits, index.row_splits),
            validate=False,
        )

    def _tokenize_chunks(self, chunks: tf.Tensor) -> tf.RaggedTensor:
        words, firsts = self._words.words(chunks)
        spelled = words.with_flat_values(tf.gather(self._alphabet, words.flat_values))
        unique, index = tf.unique(tf.strings.unicode_encode(spelled, "UTF-8"))
        ids = tf.gather(self._op.tokenize(unique), index)
        return tf.RaggedTensor.from_row_splits(
            ids.flat_values, tf.gather(ids.row_splits, firsts), validate=False
        )

    @override
    def _tokens_of_characters(
        self, texts: tf.Tensor, characters: Characters
    ) -> tuple[tf.RaggedTensor, Ranges]:
        ids = self(texts)
        # Tokens hold all bytes of the normalized text, in their order.
        sizes = tf.constant([len(token) for token in self._bytes])
        numbers = tf.range(tf.size(ids.flat_values))
        tokens = bytes_of_characters(
            tf.gather(sizes, ids.flat_values), Ranges(numbers, numbers + 1)
        )
        return ids, normalized_ranges(
            tokens, characters, lowercase=self.lowercase, form=self.normalization
        )

    @override
    def detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        ids = self._drop_specials(ids)
        parts = tf.gather(tf.constant(self._bytes, tf.string), ids.flat_values)
        return tf.strings.reduce_join(ids.with_flat_values(parts), axis=1)

    @override
    def save(self, folder: Path) -> None:
        write_spec(
            folder,
            kind=self.kind,
            lowercase=self.lowercase,
            normalization=self.normalization,
            specials=self.names,
            letters=self._letters,
            numbers=self._numbers,
        )
        write_tokens(folder, self.tokens)
        write_merges(folder / MERGES_FILE, self.merges)

    @override
    def word_start_flags(self) -> np.ndarray:
        starts = np.array(
            [not (b[:1].isalnum() or b[:1] >= b"\x80") for b in self._bytes], bool
        )
        starts[list(self.specials.control)] = True
        return starts


def _to_bytes(token: str) -> bytes:
    """Returns the bytes of a token; for a control token, those of its name."""
    index = {character: i for i, character in enumerate(byte_alphabet())}
    if not index.keys() >= set(token):
        return token.encode()
    return bytes(index[character] for character in token)


def write_merges(file: Path, merges: Sequence[Merge]) -> None:
    """Writes merges in GPT-2's format, one pair per line."""
    lines = [_HEADER, *(f"{left} {right}" for left, right in merges)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_merges(file: Path) -> list[Merge]:
    """Reads merges, one pair per line.

    Raises:
        ValueError: a line is not a pair, or occurs twice.
    """
    lines_by_pair: dict[Merge, int] = {}
    lines = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    for number, line in enumerate(lines, 1):
        if number == 1 and line.startswith("#version"):
            continue
        pair = tuple(line.removesuffix("\r").split(" "))
        if len(pair) != 2 or not all(pair):
            raise ValueError(f"line {number}: expected two tokens, got {line!r}")
        if pair in lines_by_pair:
            raise ValueError(
                f"line {number}: {line!r} repeats line {lines_by_pair[pair]}"
            )
        lines_by_pair[pair] = number
    return list(lines_by_pair)


def _merging_model(
    tokens: Sequence[str], merges: Sequence[Merge], specials: SpecialTokens
) -> bytes:
    """Returns a SentencePiece model with the same merges and ids."""
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    products = {left + right for left, right in merges}
    alphabet, control = set(byte_alphabet()), set(specials.control)
    model = ModelProto()
    model.trainer_spec.model_type = BPE
    model.trainer_spec.unk_id = len(tokens)
    for field in ("bos_id", "eos_id", "pad_id"):
        setattr(model.trainer_spec, field, -1)
    spec = model.normalizer_spec
    spec.name, spec.precompiled_charsmap = "identity", _NO_REPLACEMENTS
    for field in ("add_dummy_prefix", "remove_extra_whitespaces", "escape_whitespaces"):
        setattr(spec, field, False)
    for number, token in enumerate(tokens):
        rank = 0 if token in alphabet else None
        if token in products:
            rank = last_merge(token, ranks)
        if rank is None or number in control:
            model.pieces.add(piece=token, type=CONTROL)
        else:
            model.pieces.add(piece=token, type=NORMAL, score=-float(rank))
    model.pieces.add(piece=" ", type=UNKNOWN)
    return model.SerializeToString(deterministic=True)


def last_merge(token: str, ranks: Mapping[Merge, int]) -> int | None:
    """Returns the rank of the merge that completes a token, or None."""
    parts, rank = list(token), None
    while len(parts) > 1:
        candidates = [ranks.get(pair, len(ranks)) for pair in pairwise(parts)]
        rank = min(candidates)
        if rank == len(ranks):
            return None
        i = candidates.index(rank)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    return rank
