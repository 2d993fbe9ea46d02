"""Tokenization: documents become token rows.

Rows belong to no model; shifting and masking happen when a family reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.artifacts import Documents, TokenRows, Vocabulary
from components.base import Component, Context, Input, Output


@dataclass(frozen=True, kw_only=True)
class TokenizeConfig:
    """What a stage says of its rows."""

    packing: Literal["pad", "concat"] | None = None
    """One document a row, or a running stream with an end mark between documents;
    None packs a language model's rows and pads a classifier's."""


@dataclass(frozen=True, kw_only=True)
class TokenizerConfig:
    """The shape of token rows."""

    sequence_length: int
    """Tokens per row, special tokens included."""
    packing: Literal["pad", "concat"] = "pad"
    """How documents share rows: one a row, or a running stream."""
    overlap: int = 0
    """concat: tokens that a row repeats from the end of the one before; 1 lets the last
    input of a next-token model have its target."""
    start: bool = True
    """Whether a document (pad) or a row (concat) begins with the start token."""
    end: bool = True
    """Whether a document ends with the end token."""
    labelled: bool = False
    """Whether rows carry the documents' label index."""


def tokenize(
    *,
    documents: Input[Documents],
    vocabulary: Input[Vocabulary],
    rows: Output[TokenRows],
    config: TokenizerConfig,
    context: Context,
) -> None:
    """Writes one split of rows for every split of documents.

    Raises:
        DataError: a split has no documents left.
    """
    from components.tokenizer.engine import tokenize_shards
    from models.faults import DataError

    if not documents.splits:
        raise DataError(f"{documents.path}: expected documents, found none to tokenize")
    tokenize_shards(documents, vocabulary, rows, config, context)


class Tokenizer(Component, executor=tokenize):
    """Documents -> token rows (TFX: Transform)."""
