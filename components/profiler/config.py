"""Configuration of a data set's profile: comparisons, thresholds, fatal anomalies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from textmill.models.checks import NOT_NEGATIVE, SHARE, Bounds, check_bounds
from textmill.models.paths import FilePath

Kind = Literal[
    "bad",
    "empty",
    "small",
    "imbalance",
    "labels",
    "spelling",
    "ids",
    "types",
    "repeats",
    "leakage",
    "unknown",
    "schema",
    "skew",
    "drift",
]
"""Kinds of anomaly."""


@dataclass(frozen=True, kw_only=True)
class ProfileConfig:
    """Options of a profile: its references, its thresholds, and the fatal anomalies.

    An anomaly is a warning, or, where ``fail_on`` names its kind, an error.
    """

    schema: FilePath | None = None
    """A schema file (``textmill data schema``) for the documents; every
    violation is an anomaly of kind ``schema``."""
    baseline: FilePath | None = None
    """An earlier ``profile.json``, or its folder. Drift from it beyond
    ``max_linf`` or ``max_jensen_shannon`` is an anomaly of kind ``drift``, a label that
    it does not have one of kind ``labels``."""
    fail_on: tuple[Kind, ...] = ()
    """Kinds of anomaly that stop the run (exit 3); all others are only reported."""
    max_linf: Annotated[float, SHARE] = 0.1
    """Largest allowed difference (L-infinity) between two shares of a label, a language
    or a category, beyond sampling noise. It holds for drift from the baseline, and for
    skew of eval and test against train."""
    max_jensen_shannon: Annotated[float, SHARE] = 0.1
    """The same for lengths, numbers and frequent words: the Jensen-Shannon divergence
    in bits, from 0 (the same) to 1 (nothing shared)."""
    max_bad: Annotated[float, SHARE] = 0.001
    """Largest allowed share of bad records among those read (kind ``bad``). With a
    baseline, the largest increase over its share, beyond sampling noise."""
    min_documents: Annotated[int, NOT_NEGATIVE] = 50
    """Fewest documents per split; a smaller split is an anomaly of kind ``small``."""
    max_imbalance: Annotated[float, Bounds(at_least=1)] = 20.0
    """Largest allowed ratio of the most frequent label to the rarest one."""
    max_repeated: Annotated[float, SHARE] = 0.1
    """Largest allowed share of duplicate texts within a split (kind ``repeats``)."""
    max_leakage: Annotated[float, SHARE] = 0.0
    """Largest allowed share of a split's documents whose text is in an earlier split
    (kind ``leakage``)."""
    max_overlap: Annotated[float, SHARE] = 0.1
    """Largest allowed share of a split's 13-word sequences that are in an earlier split
    (kind ``leakage``); a shorter text is one sequence."""
    max_unknown: Annotated[float, SHARE] = 0.01
    """Largest allowed share of unknown tokens (kind ``unknown``)."""
    sample_bytes: Annotated[int, NOT_NEGATIVE] = 10_000_000
    """Bytes of text per split to tokenize for token statistics; 0 turns them off."""
    top_terms: Annotated[int, NOT_NEGATIVE] = 200
    """Number of most frequent words to record per split; drift compares them."""

    def __post_init__(self) -> None:
        check_bounds(self)
