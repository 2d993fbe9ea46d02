"""Config of deduplication and decontamination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class NearConfig:
    """MinHash of word 5-grams for near duplicates (FineWeb's settings)."""

    bands: int = 14
    """Documents of similarity s match with probability 1 - (1 - s^hashes)^bands."""
    hashes: int = 8
    """Hashes per band."""
    ngrams: int = 5
    """Words per shingle; in scripts without spaces a character counts as a word."""
    verify: float | None = None
    """Joins only documents whose shingles have this Jaccard similarity or more. Not
    set: all that match in a band."""
    action: Literal["drop", "tag"] = "drop"
    """Keeps one document per cluster, or keeps all and names their ``cluster``."""

    def __post_init__(self) -> None:
        if min(self.bands, self.hashes, self.ngrams) < 1:
            raise ValueError("bands, hashes and ngrams of 1 or more")
        if self.verify is not None and not 0 < self.verify <= 1:
            raise ValueError(f"verify in (0, 1], got {self.verify:g}")


@dataclass(frozen=True, kw_only=True)
class DecontaminateConfig:
    """Removal of documents that overlap with the eval and test of other data sets."""

    against: tuple[str, ...]
    """Data sets of this file whose eval and test documents are protected."""
    ngrams: int = 13
    """Words of a common passage (Brown et al. 2020, appendix C)."""
    max_share: float = 0.0
    """Documents with a larger share of their n-grams in common are contaminated."""
    action: Literal["drop", "tag"] = "drop"
    """Drops contaminated documents, or keeps them with ``contaminated: true``."""

    def __post_init__(self) -> None:
        if not self.against:
            raise ValueError("at least one data set as against, got none")
        if self.ngrams < 1 or not 0 <= self.max_share < 1:
            raise ValueError("ngrams of 1 or more and max_share in [0, 1)")
