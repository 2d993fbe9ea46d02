"""What a user says of a data set's profile: what is compared, and what ends the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textmill.models.paths import FilePath

Kind = Literal[
    "empty",
    "small",
    "imbalance",
    "labels",
    "types",
    "repeats",
    "leakage",
    "unknown",
    "schema",
    "skew",
    "drift",
]
"""What an anomaly is about."""

_SHARES = (
    "max_repeated",
    "max_leakage",
    "max_overlap",
    "max_unknown",
    "max_linf",
    "max_jensen_shannon",
)


@dataclass(frozen=True, kw_only=True)
class ProfileConfig:
    """What is counted in the documents, what they are held against, and how strictly.

    An anomaly is a warning, or, where ``fail_on`` names its kind, an error.
    """

    schema: FilePath | None = None
    """A schema file (``textmill data schema``) that the documents must agree with;
    what differs is an anomaly of kind ``schema``."""
    baseline: FilePath | None = None
    """An earlier ``profile.json``, or the folder that holds it, to measure drift from;
    a drift beyond the two thresholds below is an anomaly of kind ``drift``."""
    fail_on: tuple[Kind, ...] = ()
    """Kinds of anomaly that end the run (exit 3); the others are reported."""
    max_linf: float = 0.1
    """The largest difference (L-infinity) between two shares of a label, a language or
    a category that is no anomaly; what chance explains is taken off first. It holds for
    drift, and for the skew of eval and test against train."""
    max_jensen_shannon: float = 0.1
    """The same for lengths, numbers and frequent words: the Jensen-Shannon divergence
    in bits, from 0 (the same) to 1 (nothing shared)."""
    min_documents: int = 50
    """A split with fewer is ``small``."""
    max_imbalance: float = 20.0
    """How many times as frequent as the rarest label the most frequent one may be."""
    max_repeated: float = 0.1
    """Share of a split's documents that may repeat another's text (``repeats``)."""
    max_leakage: float = 0.0
    """Share of a split's documents whose text may be in an earlier split, too."""
    max_overlap: float = 0.1
    """Share of a split's 13-word sequences that may be in an earlier split, too; a
    shorter text is one sequence. Both are ``leakage``."""
    max_unknown: float = 0.01
    """Share of unknown tokens above which the vocabulary does not fit the documents."""
    sample_bytes: int = 10_000_000
    """Text of each split that is tokenized to measure tokens; 0 measures none."""
    top_terms: int = 200
    """How many of the most frequent words of a split are kept; drift compares them."""

    def __post_init__(self) -> None:
        for name in _SHARES:
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise ValueError(f"{name} from 0 to 1, got {value:g}")
        for name in ("min_documents", "sample_bytes", "top_terms"):
            if (value := getattr(self, name)) < 0:
                raise ValueError(f"{name} of 0 or more, got {value}")
        if self.max_imbalance < 1:
            raise ValueError(f"max_imbalance of 1 or more, got {self.max_imbalance:g}")
