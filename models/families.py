"""The families: which backbone a model has, and which tasks it can learn.

The one dispatch from a family's name to its module. Importing this file costs nothing;
the modules import Keras.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

FamilyName = Literal["bert", "gpt"]
TaskName = Literal["masked_lm", "causal_lm", "classify"]


@dataclass(frozen=True)
class Family:
    """A backbone's module and the tasks that it can learn."""

    module: str
    tasks: tuple[str, ...]

    def load(self) -> ModuleType:
        """Imports the family's module (``build``, ``features``)."""
        return importlib.import_module(self.module)


FAMILIES: dict[str, Family] = {
    "bert": Family("models.bert", ("masked_lm", "classify")),
    "gpt": Family("models.gpt", ("causal_lm", "classify")),
}

LABELLED_TASKS = ("classify",)
METRICS: dict[str, tuple[str, ...]] = {
    "masked_lm": ("loss", "perplexity", "bits_per_byte", "accuracy"),
    "causal_lm": ("loss", "perplexity", "bits_per_byte", "accuracy"),
    "classify": ("loss", "accuracy", "macro_precision", "macro_recall", "macro_f1"),
}


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The shape of a model."""

    family: FamilyName = "bert"
    """``bert`` reads both ways (masked_lm, classify); ``gpt`` left to right."""
    layers: int = 2
    """Transformer blocks."""
    width: int = 128
    """Size of a token's hidden state."""
    heads: int = 2
    """Attention heads; they divide the width."""
    sequence_length: int = 128
    """The longest input in tokens, special tokens included."""
    feed_forward: int | None = None
    """Hidden size of the feed-forward layers; None is 4 x width."""
    dropout: float = 0.1
    """Share of activations dropped while training."""
    pooling: Literal["mean", "first"] = "mean"
    """What a bert classifier reads: the mean of the tokens' states, or, as in the
    original, the first token's through a tanh layer. gpt reads the last token."""

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"heads that divide width {self.width}, got {self.heads}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout in [0, 1), got {self.dropout}")
        if min(self.layers, self.width, self.heads, self.sequence_length) < 1:
            raise ValueError("layers, width, heads and sequence_length of 1 or more")
