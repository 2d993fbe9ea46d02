"""Knobs of the tasks, each class named in its task's row. Standard library only.

In YAML they are keys of a stage's ``train``, next to those of all tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textmill.models.checks import check_at_least_one, check_share


@dataclass(frozen=True, kw_only=True)
class NoTaskConfig:
    """A task without knobs of its own."""


@dataclass(frozen=True, kw_only=True)
class MaskedLMConfig:
    """Masking."""

    mask_rate: float = 0.15
    """Share of the tokens to predict."""
    mask_whole_words: bool = False
    """Whether all tokens of a word are masked or none (tokenize.words defines
    words)."""
    mask_span: Literal["geometric", "ngram"] | None = None
    """Runs of tokens, or of whole words, to mask: of a length with chances that fall by
    a fifth (SpanBERT) or as 1/n (ALBERT); None masks each by itself."""
    longest_span: int | None = None
    """The longest run; None is 10 for geometric and 3 for ngram."""
    dupe_factor: int | None = None
    """Masks of a row, in turn by epoch, as if it stood so often in the files of the
    original script, which also counts special tokens in what mask_rate is of; None
    draws new masks in every epoch."""

    def __post_init__(self) -> None:
        check_share(self, "mask_rate")
        check_at_least_one(self, "longest_span", "dupe_factor")
        if self.longest_span is not None and self.mask_span is None:
            raise ValueError("mask_span beside longest_span, got none")


@dataclass(frozen=True, kw_only=True)
class CausalLMConfig:
    """Memory of the loss."""

    loss_chunk: int | None = None
    """Tokens whose logits are in memory at once; None is all of a batch. With a large
    vocabulary they are most of what training keeps in memory. The loss is the same; its
    logits are computed twice."""

    def __post_init__(self) -> None:
        check_at_least_one(self, "loss_chunk")
