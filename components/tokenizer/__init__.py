"""Tokenization: documents become token rows.

Rows belong to no model; a task shifts and masks them when it reads them.

Reading order: ``engine`` (Beam), ``packing`` (pad and concat), ``best_fit``,
``sentence_pairs``, ``several_texts``, ``prompt_response``, ``encoder_decoder``,
``span_rows``, ``word_boundaries``, ``tf_example``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, cast

from textmill.components.artifacts import Documents, TokenRows, Vocabulary
from textmill.components.base import Component, Context, Input, Output
from textmill.models.checks import COUNT, SHARE, Bounds, check_bounds
from textmill.models.targets import TARGETS

Packing = Literal[
    *("pad", "concat", "best_fit", "sentence_pair", "response", "pair"),
    *("texts", "strides", "encoder_decoder"),
]

TEXTS_OF: dict[str, tuple[int, ...]] = {
    "pair": (2,),
    "texts": (2, 3),
    "strides": (1, 2),
}
"""The numbers of texts of a document that a packing takes, where it is not one."""


def takes(packing: str, num_texts: int) -> bool:
    """Returns whether a packing takes documents of a number of texts."""
    return num_texts in TEXTS_OF.get(packing, (1,))


def default_packing(packings: Sequence[str], num_texts: int) -> Packing:
    """Returns the first packing that takes a number of texts; the first without one."""
    fitting = [packing for packing in packings if takes(packing, num_texts)]
    return cast(Packing, [*fitting, *packings][0])


@dataclass(frozen=True, kw_only=True)
class TokenizeConfig:
    """A stage's ``tokenize`` section."""

    packing: Packing | None = None
    """How documents share rows: one truncated document per row (pad); a stream with an
    end token between documents (concat); whole documents fitted together (best_fit);
    BERT's sentence pairs, the second following the first or from another document
    (sentence_pair); a prompt and its response (response); the two texts of a
    document (pair); each text of a document with ``sequence_length`` tokens of its own
    (texts); windows of a long text, with the second text, a question, in each
    (strides); a text and its target in two sequences (encoder_decoder). Not set:
    concat for a language model, encoder_decoder for seq2seq; for others pad, or pair
    for documents of two texts. The start token begins a row of masked_lm, not every
    document in it."""
    attention: Literal["document", "row"] = "document"
    """concat, best_fit: tokens attend to their own document, with positions from 0, or
    to the whole row, as in nanoGPT."""
    words: Literal["tokens", "jieba"] = "tokens"
    """masked_lm: words of whole-word masking: those of the tokenizer, which takes every
    Chinese character for a word, or for Chinese those of jieba."""
    prompt: str | None = None
    """response: column of the prompt; the data set's text is the response. A task whose
    target is a text needs none: the text is the prompt, the target the response."""
    short_seq_prob: Annotated[float, SHARE] = 0.1
    """sentence_pair: share of documents whose pairs get a random length below a full
    row."""
    dupe_factor: Annotated[int, Bounds(at_least=1, at_most=10_000)] = 1
    """sentence_pair: how many times to split each training document into pairs, every
    time with new random choices."""
    stride: Annotated[int, COUNT] | None = None
    """strides: tokens from the beginning of a window to that of the next one, at most a
    window. Not set: half a window."""
    examples: bool = False
    """Also write rows as tf.Example, in ``examples/``, for other programs; training
    reads the packed rows."""

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, kw_only=True)
class RowLayout:
    """The shape of token rows."""

    sequence_length: int
    """Tokens per row, special tokens included; texts: of each text in it."""
    texts: int = 1
    """Texts of a document."""
    packing: Packing = "pad"
    """How documents share rows."""
    attention: Literal["document", "row"] = "document"
    """concat, best_fit: document marks the document boundaries in rows."""
    overlap: int = 0
    """concat: tokens that a row repeats from the end of the previous one; 1 gives the
    last input of a next-token model its target."""
    start: bool = True
    """Begin a document (concat: a row) with the start token."""
    end: bool = True
    """End a document with the end token."""
    next_token: bool = False
    """Rows are for a next-token model: the end token also precedes a document, as in
    serving, and belongs to the document that follows."""
    words: Literal["tokens", "jieba"] | None = None
    """Words to mark in the rows, if any."""
    prompt: str | None = None
    """response: column of the prompt."""
    short_seq_prob: float = 0.1
    """sentence_pair: share of documents whose pairs are shorter than a row."""
    dupe_factor: int = 1
    """sentence_pair: how many times to split each training document."""
    stride: int | None = None
    """strides: tokens between the beginnings of two windows; None is half of one."""
    seed: int = 0
    """sentence_pair: seed of its random choices."""
    target: str = "none"
    """Kind of target in the rows: see ``textmill.models.targets``."""
    target_length: int = 0
    """encoder_decoder: tokens of the target, special tokens included."""
    examples: bool = False
    """Also write rows as tf.Example."""


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
        ConfigError: jieba is needed and not installed.
        DataError: train, or eval and test, have no documents; a document lacks its
            prompt; documents have another kind of target, or all the same label.
    """
    context.report({"phase": "importing"})
    from textmill.components.tokenizer.engine import tokenize_shards
    from textmill.models.errors import DataError

    if not documents.splits:
        raise DataError(f"{documents.path}: expected documents to tokenize, got none")
    if config.target not in ("none", documents.target):
        raise DataError(
            f"{documents.path}: expected documents with target {config.target}, got "
            f"{documents.target}; name their column {TARGETS[config.target].field!r} "
            "in the data set's source"
        )
    if not takes(config.packing, documents.num_texts):
        raise DataError(
            f"{documents.path}: expected documents that packing {config.packing} "
            f"takes, got {documents.num_texts} texts in each; name other columns in "
            "the data set's source.text"
        )
    num_documents = sum(documents.splits.values())
    context.report({"phase": f"tokenizing {num_documents:,} documents"})
    tokenize_shards(documents, vocabulary, rows, config, context)


class Tokenizer(Component, executor=tokenize):
    """Documents -> token rows (TFX: Transform)."""
