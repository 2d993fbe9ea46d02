"""Config of splits and mixtures."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from textmill.models.checks import POSITIVE, SHARE, Bounds, check_bounds


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """Shares of the documents; the same key always falls into the same split.

    Without any share, train gets 0.8, eval 0.1 and test 0.1 of the documents; while
    there are fewer than 1,000 of them, those of test go to eval. A share that is left
    out is the rest of those given, in the order of train, eval and test.
    """

    train: Annotated[float, SHARE] | None = None
    """Share used for training."""
    eval: Annotated[float, SHARE] | None = None
    """Share used for validation during training."""
    test: Annotated[float, SHARE] | None = None
    """Share held out for the evaluation, which uses eval where test has no documents.
    """
    by: str = "id"
    """The column whose SHA-256 decides, so that its values never straddle splits;
    ``id`` is the text itself where the source names no column as id.
    ``position`` splits every document at its shares instead (train first); ``source``
    keeps the splits of the source, and moves the share of eval from its train where it
    has no eval. Without any share, both have 0.9 of train and 0.1 of eval."""

    def __post_init__(self) -> None:
        check_bounds(self)
        total = sum(self.shares)
        if min(self.shares) < 0 or abs(total - 1) > 1e-9:
            given = sum(filter(None, self._given))
            raise ValueError(f"shares that add up to 1, got {given:g}")

    @property
    def _given(self) -> tuple[float | None, ...]:
        return self.train, self.eval, self.test

    @property
    def is_by_size(self) -> bool:
        """True if the number of documents decides about a test split."""
        is_given = any(share is not None for share in self._given)
        return not is_given and self.by not in ("position", "source")

    @property
    def shares(self) -> tuple[float, float, float]:
        """The shares of train, eval and test."""
        if self.is_by_size:
            return 0.8, 0.1, 0.1
        if all(share is None for share in self._given):
            return 0.9, 0.1, 0.0
        # Decimals: 1 - 0.9 is exactly 0.1.
        rest = 1 - sum(Decimal(repr(share)) for share in self._given if share)
        shares = []
        for share in self._given:
            shares.append(float(rest) if share is None else share)
            rest = Decimal(0) if share is None else rest
        train, eval, test = shares
        return train, eval, test


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
