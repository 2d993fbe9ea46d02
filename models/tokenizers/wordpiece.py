"""WordPiece: BERT's tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
import tensorflow_text as tf_text
from typing_extensions import override

from textmill.models.tokenizers.offsets import (
    Characters,
    Ranges,
    characters_of_bytes,
    through_texts,
    whole_characters,
    with_marks,
)
from textmill.models.tokenizers.tokenizer import (
    SPECIAL_TOKENS,
    SpecialTokens,
    Tokenizer,
    write_spec,
    write_tokens,
)

PREFIX = "##"
_CONTROL = (
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}]|\p{Cf}|\p{Co}|\x{fffd}"  # not \t \n \r
)

_MARK = r"\p{Mn}"


def clean(texts: tf.Tensor) -> tf.Tensor:
    """Removes control, format and private-use characters and U+FFFD, as BERT does."""
    return tf.strings.regex_replace(texts, _CONTROL, "")


def bert_normalize(texts: tf.Tensor) -> tf.Tensor:
    """Cleans, lower-cases, decomposes (NFD) and strips marks (Mn), as BERT does."""
    texts = tf.strings.lower(clean(texts), encoding="utf-8")
    texts = tf_text.normalize_utf8(texts, "NFD")
    return tf.strings.regex_replace(texts, _MARK, "")


class WordPiece(Tokenizer):
    """BERT's WordPiece by ``FastBertTokenizer``.

    ``bert`` normalizes by separate graph ops and gives the ids of the original
    implementation; ``fast`` leaves it to the op, which also folds compatibility forms
    (NFKC), keeps format characters and, unless ``lowercase``, control characters.

    Words are split like BERT's, at spaces, punctuation and CJK characters; tokens
    without ``##`` begin one. ``models/README.md`` lists what differs from
    Hugging Face's ids.
    """

    kind = "wordpiece"

    def __init__(
        self, tokens: Sequence[str], *, lowercase: bool = True, normalization: str
    ) -> None:
        super().__init__()
        self.tokens, self.lowercase = tuple(tokens), lowercase
        self.normalization = normalization
        self.specials, self.size = SpecialTokens.of(tokens), len(tokens)
        self._op = tf_text.FastBertTokenizer(
            vocab=list(tokens),
            token_out_type=tf.int32,
            unknown_token=SPECIAL_TOKENS[1],
            support_detokenization=True,
            lower_case_nfd_strip_accents=lowercase and normalization == "fast",
        )

    @override
    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        if self.normalization == "bert":
            texts = bert_normalize(texts) if self.lowercase else clean(texts)
        return self._op.tokenize(texts)

    @override
    def _tokens_of_characters(
        self, texts: tf.Tensor, characters: Characters
    ) -> tuple[tf.RaggedTensor, Ranges]:
        if self.normalization != "bert":
            ids, starts, ends = self._op.tokenize_with_offsets(texts)
            tokens = Ranges(through_texts(starts, texts), through_texts(ends, texts))
            return ids, whole_characters(tokens, characters)
        form = bert_normalize if self.lowercase else clean
        normalized = form(texts)
        ids, starts, ends = self._op.tokenize_with_offsets(normalized)
        tokens = Ranges(
            through_texts(starts, normalized), through_texts(ends, normalized)
        )
        lengths = characters.lengths(form)
        ranges = characters_of_bytes(lengths, tokens)
        if self.lowercase:
            ranges = with_marks(ranges, characters.matching(_MARK), characters)
        return ids, ranges

    @override
    def detokenize(self, ids: tf.RaggedTensor) -> tf.Tensor:
        return self._op.detokenize(self._drop_specials(ids))

    @override
    def save(self, folder: Path) -> None:
        write_spec(
            folder,
            kind=self.kind,
            lowercase=self.lowercase,
            normalization=self.normalization,
        )
        write_tokens(folder, self.tokens)

    @override
    def _begins_word(self, token: str) -> bool:
        return not token.startswith(PREFIX)
