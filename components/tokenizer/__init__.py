"""Tokenization: documents become token rows.

Rows belong to no model; shifting and masking happen when a family reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textmill.components.artifacts import Documents, TokenRows, Vocabulary
from textmill.components.base import Component, Context, Input, Output

Packing = Literal["pad", "concat", "best_fit", "sentence_pair", "response"]


@dataclass(frozen=True, kw_only=True)
class TokenizeConfig:
    """What a stage says of its rows."""

    packing: Packing | None = None
    """How documents share rows: one a row, cut at its end (pad); a running stream with
    an end mark between documents (concat); whole documents fitted together (best_fit);
    two segments of which the second follows the first or is from elsewhere, as BERT's
    original had them (sentence_pair); a prompt and its response (response). None is
    concat for a language model, pad for a classifier."""
    attention: Literal["document", "row"] = "document"
    """concat, best_fit: whether a token sees its own document alone, whose positions
    begin at 0, or all that shares its row, as nanoGPT trains."""
    words: Literal["tokens", "jieba"] = "tokens"
    """masked_lm: what is a word to whole-word masking: what the tokenizer's own split
    gives, to which every Chinese character is one, or Chinese words as jieba cuts."""
    prompt: str | None = None
    """response: the column with the prompt; the data set's text is the response."""
    short_seq_prob: float = 0.1
    """sentence_pair: share of documents whose pairs are shorter than a row, by a length
    drawn for each."""
    dupe_factor: int = 1
    """sentence_pair: how many times a training document is cut into pairs, each time
    with other draws."""
    examples: bool = False
    """Whether rows are also written as tf.Example, below ``examples/``, for other
    readers; training reads the packed rows."""

    def __post_init__(self) -> None:
        if not 0 <= self.short_seq_prob <= 1:
            raise ValueError(f"short_seq_prob in [0, 1], got {self.short_seq_prob}")
        if self.dupe_factor < 1:
            raise ValueError(f"dupe_factor of 1 or more, got {self.dupe_factor}")


@dataclass(frozen=True, kw_only=True)
class RowLayout:
    """The shape of token rows."""

    sequence_length: int
    """Tokens per row, special tokens included."""
    packing: Packing = "pad"
    """How documents share rows."""
    attention: Literal["document", "row"] = "document"
    """concat, best_fit: whether rows say which document a token is of."""
    overlap: int = 0
    """concat: tokens that a row repeats from the end of the one before; 1 lets the last
    input of a next-token model have its target."""
    start: bool = True
    """Whether a document (a row for concat) begins with the start token."""
    end: bool = True
    """Whether a document ends with the end token."""
    next_token: bool = False
    """Whether rows are for a next-token model: the end token also stands before a
    document, as it does at serving, and is of the document that it begins."""
    words: Literal["tokens", "jieba"] | None = None
    """What the rows mark as words; None marks none."""
    prompt: str | None = None
    """response: the column with the prompt."""
    short_seq_prob: float = 0.1
    """sentence_pair: share of documents whose pairs are shorter than a row."""
    dupe_factor: int = 1
    """sentence_pair: how many times a training document is cut into pairs."""
    seed: int = 0
    """sentence_pair: seed of its draws."""
    labelled: bool = False
    """Whether rows carry the documents' label index."""
    examples: bool = False
    """Whether rows are also written as tf.Example."""


def tokenize(
    *,
    documents: Input[Documents],
    vocabulary: Input[Vocabulary],
    rows: Output[TokenRows],
    config: RowLayout,
    context: Context,
) -> None:
    """Writes one split of rows for every split of documents.

    Raises:
        ConfigError: jieba is asked for and not installed.
        DataError: a split has no documents left, or a document lacks its prompt.
    """
    from textmill.components.tokenizer.engine import tokenize_shards
    from textmill.models.errors import DataError

    if not documents.splits:
        raise DataError(f"{documents.path}: expected documents, found none to tokenize")
    tokenize_shards(documents, vocabulary, rows, config, context)


class Tokenizer(Component, executor=tokenize):
    """Documents -> token rows (TFX: Transform)."""
