"""Drift and skew: distances between two descriptions of documents.

Categories are compared by L-infinity, the largest difference between two shares;
lengths, numbers and frequent words by the Jensen-Shannon divergence (Lin 1991). Two
samples of one source differ as well: ``chance`` is the distance that their sizes alone
explain, up to three standard deviations, and only the excess counts. Standard library
only, because the command line compares profiles.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

_SIGMAS = 3
_REST = ""


@dataclass(frozen=True)
class Measure:
    """A distance between two descriptions in one respect."""

    what: str
    """The compared property: ``labels``, ``words``, ``column kind``, ..."""
    measure: Literal["l_infinity", "jensen_shannon"]
    value: float
    """From 0 (equal) to 1."""
    chance: float
    """The distance that the sizes of the two samples explain."""
    detail: str = ""
    """l_infinity: the category with the largest difference."""

    @property
    def excess(self) -> float:
        """The part of ``value`` above ``chance``."""
        return max(0.0, self.value - self.chance)


def compare(new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[Measure]:
    """Yields the measures between two descriptions of a split (``describe``)."""
    for name in ("labels", "languages", "scripts"):
        if new[name] and old[name]:
            yield l_infinity(name, new[name], old[name])
    for length in ("words", "characters"):
        yield jensen_shannon(
            f"length in {length}",
            _histogram(new["lengths"][length]),
            _histogram(old["lengths"][length]),
        )
    for name, column in new["columns"].items():
        if name not in ("label", "language") and name in old["columns"]:
            yield from _compare_column(name, column, old["columns"][name])
    if new["top_terms"] and old["top_terms"]:
        # The documents are the sample, not the words: their number gives ``chance``.
        size = (new["documents"], old["documents"])
        yield jensen_shannon("frequent words", _terms(new), _terms(old), sizes=size)


def _compare_column(
    name: str, new: Mapping[str, Any], old: Mapping[str, Any]
) -> Iterator[Measure]:
    if "histogram" in new and "histogram" in old:
        yield jensen_shannon(f"column {name}", _histogram(new), _histogram(old))
    elif _is_listed(new) and _is_listed(old):
        yield l_infinity(f"column {name}", _values(new), _values(old))


def _is_listed(column: Mapping[str, Any]) -> bool:
    """Returns true if every value of a column is listed."""
    return "top" in column and column["distinct"] == len(column["top"])


def _values(column: Mapping[str, Any]) -> dict[str, int]:
    return {entry["value"]: entry["documents"] for entry in column["top"]}


def _histogram(described: Mapping[str, Any]) -> dict[str, int]:
    return {
        str(entry["from"]): entry["documents"]
        for entry in described.get("histogram", ())
    }


def _terms(described: Mapping[str, Any]) -> dict[str, int]:
    terms = {entry["term"]: entry["count"] for entry in described["top_terms"]}
    return terms | {_REST: described["terms"] - sum(terms.values())}


def l_infinity(what: str, new: Mapping[str, int], old: Mapping[str, int]) -> Measure:
    """Returns the largest difference between two shares of one category."""
    n, m = sum(new.values()), sum(old.values())
    gaps = {key: abs(new.get(key, 0) / n - old.get(key, 0) / m) for key in new | old}
    widest = min(gaps, key=lambda key: (-gaps[key], key))
    before, after = old.get(widest, 0) / m, new.get(widest, 0) / n
    pooled = (new.get(widest, 0) + old.get(widest, 0)) / (n + m)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return Measure(
        what,
        "l_infinity",
        round(gaps[widest], 6),
        round(_SIGMAS * deviation, 6),
        f"{widest!r} from {before:.1%} to {after:.1%}" if gaps[widest] else "",
    )


def jensen_shannon(
    what: str,
    new: Mapping[str, int],
    old: Mapping[str, int],
    *,
    sizes: tuple[int, int] | None = None,
) -> Measure:
    """Returns the Jensen-Shannon divergence of two histograms, in bits.

    For two samples of n and m of one source, (8 ln 2) times the divergence is about
    (1/n + 1/m) times a chi-squared variable of (bins - 1) degrees of freedom.

    Args:
        what: names the measure.
        new: counts by bin.
        old: counts by bin.
        sizes: n and m, where they are not the sums of the counts.
    """
    n, m = sum(new.values()), sum(old.values())
    divergence = 0.0
    for key in sorted(new | old):
        p, q = new.get(key, 0) / n, old.get(key, 0) / m
        middle = (p + q) / 2
        divergence += sum(x * math.log2(x / middle) / 2 for x in (p, q) if x)
    n, m = sizes or (n, m)
    freedom = len([key for key in new | old if new.get(key) or old.get(key)]) - 1
    chance = freedom + _SIGMAS * math.sqrt(2 * freedom)
    chance *= (1 / n + 1 / m) / (8 * math.log(2))
    return Measure(
        what, "jensen_shannon", round(max(0.0, divergence), 6), round(min(1, chance), 6)
    )
