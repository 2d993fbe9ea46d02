"""Config of splits and mixtures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from textmill.models.checks import POSITIVE, SHARE, Bounds, check_bounds


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """Shares of the documents; the same key always falls into the same split."""

    train: Annotated[float, SHARE] = 0.9
    """Share used for training."""
    eval: Annotated[float, SHARE] = 0.1
    """Share used for validation during training."""
    test: Annotated[float, SHARE] = 0.0
    """Share held out for the evaluator; with 0 it uses eval."""
    by: str = "id"
    """The column whose SHA-256 decides, so that its values never straddle splits;
    ``position`` splits every document at its shares instead (train first); ``source``
    keeps the splits of the source, and moves the share of eval from its train where it
    has no eval."""

    def __post_init__(self) -> None:
        check_bounds(self)
        total = self.train + self.eval + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"shares that add up to 1, got {total:g}")


@dataclass(frozen=True, kw_only=True)
class MixConfig:
    """Shares of several sources in the train split; documents are chosen by hash."""

    temperature: Annotated[float, Bounds(at_least=1)] | None = None
    """Gives sources without a rate the rate size^(1/temperature); 1 keeps the
    sizes, larger values even them out."""
    max_epochs: Annotated[float, POSITIVE] = 1.0
    """Greatest number of uses of a source with a rate; above 1 documents repeat."""

    def __post_init__(self) -> None:
        check_bounds(self)
