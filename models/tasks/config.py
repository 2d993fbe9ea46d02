"""Options of the tasks, one class per row of ``TASKS``. Standard library only.

In YAML they are keys of a stage's ``train``, next to those of all tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from textmill.models.checks import COUNT, Bounds, check_bounds


@dataclass(frozen=True, kw_only=True)
class NoTaskConfig:
    """A task without options."""


@dataclass(frozen=True, kw_only=True)
class MaskedLMConfig:
    """Masking."""

    mask_rate: Annotated[float, Bounds(above=0, below=1)] = 0.15
    """Share of the tokens to predict."""
    mask_whole_words: bool = False
    """Mask all tokens of a word or none (tokenize.words defines words)."""
    mask_span: Literal["geometric", "ngram"] | None = None
    """Mask runs of tokens or words, with geometric lengths (SpanBERT) or lengths with
    probability 1/n (ALBERT). Not set: one by one."""
    longest_span: Annotated[int, Bounds(at_least=1, at_most=1_000)] | None = None
    """Longest run. Not set: 10 for geometric, 3 for ngram."""
    dupe_factor: Annotated[int, Bounds(at_least=1, at_most=10_000)] | None = None
    """Static masking like BERT's original script: number of different masks per row,
    used in turn by epoch; special tokens also count towards mask_rate. Not set: new
    masks in every epoch."""

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.longest_span is not None and self.mask_span is None:
            raise ValueError("mask_span with longest_span, got none")


@dataclass(frozen=True, kw_only=True)
class EmbedConfig:
    """The contrastive loss."""

    temperature: Annotated[float, Bounds(above=0, at_most=100)] = 0.05
    """Cosines are divided by it: a lower one weighs the nearest texts more."""
    contrast_size: Annotated[int, Bounds(at_least=2, at_most=1_000_000)] = 32
    """Rows that are each other's negatives: a batch is divided into groups of so many
    rows. More are harder, and better. A group stays on one replica and in one part of
    accumulate, so the update is the same for any number of them; global_batch must be
    a multiple of it, for each replica and part."""

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, kw_only=True)
class AnswerConfig:
    """The spans that may be an answer."""

    max_answer_tokens: Annotated[int, Bounds(at_least=1, at_most=10_000)] = 30
    """Longest answer in tokens."""

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, kw_only=True)
class CausalLMConfig:
    """Memory use of the loss."""

    UNMEASURED: ClassVar[tuple[str, ...]] = ("loss_chunk",)
    """Knobs that no metric depends on."""

    loss_chunk: Annotated[int, COUNT] | None = None
    """Number of tokens whose logits are in memory at once. Not set: the whole batch.
    With a large vocabulary, logits take most of the memory. The loss is the same; its
    logits are computed twice."""

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, kw_only=True)
class Seq2SeqConfig:
    """The loss of the target's tokens."""

    UNMEASURED: ClassVar[tuple[str, ...]] = ("label_smoothing",)
    """Knobs that no metric depends on."""

    label_smoothing: Annotated[float, Bounds(at_least=0, below=1)] = 0.1
    """Share of a target token's probability that training spreads evenly over the
    vocabulary, which keeps a small model from being too sure (Szegedy et al., 2016).
    Evaluations measure the loss without it."""

    def __post_init__(self) -> None:
        check_bounds(self)
