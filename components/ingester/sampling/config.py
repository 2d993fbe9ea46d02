"""Config of splits and mixtures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """Shares of the documents; the same key always falls into the same split."""

    train: float = 0.9
    """Share used for training."""
    eval: float = 0.1
    """Share used for validation during training."""
    test: float = 0.0
    """Share held out for the evaluator; with 0 it uses eval."""
    by: str = "id"
    """The column whose SHA-256 decides, so that its values never straddle splits;
    ``position`` splits every document at its shares instead (train first); ``source``
    keeps the splits of the source, and moves the share of eval from its train where it
    has no eval."""

    def __post_init__(self) -> None:
        shares = (self.train, self.eval, self.test)
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
            raise ValueError(
                f"shares of 0 or more that add up to 1, got {sum(shares):g}"
            )


@dataclass(frozen=True, kw_only=True)
class MixConfig:
    """Shares of several sources in the train split; documents are chosen by hash."""

    temperature: float | None = None
    """Gives sources without a rate the rate size^(1/temperature); 1 keeps the
    sizes, larger values even them out."""
    max_epochs: float = 1.0
    """Greatest number of uses of a source with a rate; above 1 documents repeat."""

    def __post_init__(self) -> None:
        if self.temperature is not None and self.temperature < 1:
            raise ValueError(f"temperature of 1 or more, got {self.temperature:g}")
        if self.max_epochs <= 0:
            raise ValueError(f"max_epochs of more than 0, got {self.max_epochs:g}")
