"""Config of deduplication and decontamination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from textmill.models.checks import Bounds, check_bounds

_FEW = Bounds(at_least=1, at_most=1_000)


@dataclass(frozen=True, kw_only=True)
class NearConfig:
    """MinHash of word 5-grams for near duplicates (FineWeb's settings)."""

    bands: Annotated[int, _FEW] = 14
    """Documents of similarity s match with probability 1 - (1 - s^hashes)^bands."""
    hashes: Annotated[int, _FEW] = 8
    """Hashes per band."""
    ngrams: Annotated[int, _FEW] = 5
    """Words per shingle; in scripts without spaces a character counts as a word."""
    verify: Annotated[float, Bounds(above=0, at_most=1)] | None = None
    """Joins only documents whose shingles have this Jaccard similarity or more. Not
    set: all that match in a band."""
    action: Literal["drop", "tag"] = "drop"
    """Keeps one document per cluster, or keeps all and names their ``cluster``."""

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, kw_only=True)
class DecontaminateConfig:
    """Removal of documents that overlap with the eval and test of other data sets."""

    against: tuple[str, ...]
    """Data sets of this file whose eval and test documents are protected."""
    ngrams: Annotated[int, _FEW] = 13
    """Words of a common passage (Brown et al. 2020, appendix C)."""
    max_share: Annotated[float, Bounds(at_least=0, below=1)] = 0.0
    """Documents with a larger share of their n-grams in common are contaminated."""
    action: Literal["drop", "tag"] = "drop"
    """Drops contaminated documents, or keeps them with ``contaminated: true``."""

    def __post_init__(self) -> None:
        check_bounds(self)
        if not self.against:
            raise ValueError("at least one data set as against, got none")
