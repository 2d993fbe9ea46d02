"""Knobs of the training methods. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FreezeConfig:
    """Trains only a part of the model."""

    weights: Sequence[str]
    """Parts of the names of weights that stay as they start: ``backbone/`` is all but
    the head."""

    def __post_init__(self) -> None:
        is_list = isinstance(self.weights, (list, tuple))
        if not is_list or not all(isinstance(part, str) for part in self.weights):
            raise ValueError(
                f"a list of texts in methods.freeze.weights, got {self.weights!r}"
            )
