"""Quality: published heuristics that say which documents are worth learning from.

The presets run in the order of FineWeb (Penedo et al. 2024), the cheapest first; C4's
cuts lines, and what comes after it judges what is left. Thresholds default to what was
published, for English; where a text is mostly Chinese or Japanese, rules that count
words or lengths are adapted as their fields say. Other languages need thresholds and
stop words of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from textmill.components.ingester.filters.c4 import C4, C4Config
from textmill.components.ingester.filters.fineweb import (
    FineWebConfig,
    check_fineweb,
)
from textmill.components.ingester.filters.gopher import (
    GopherQualityConfig,
    check_gopher,
)
from textmill.components.ingester.filters.repetition import (
    GopherRepetitionConfig,
    Repetition,
)
from textmill.components.ingester.filters.text_view import TextView, Violation

PRESETS = ("gopher_quality", "gopher_repetition", "c4", "fineweb")
"""In the order in which they run."""


@dataclass(frozen=True, kw_only=True)
class QualityConfig:
    """Which presets a document must pass; none unless named."""

    gopher_quality: GopherQualityConfig | None = None
    """Words, symbols and lines as in prose (Rae et al. 2021, A1.1)."""
    gopher_repetition: GopherRepetitionConfig | None = None
    """Little that is said twice (Rae et al. 2021, table A1)."""
    c4: C4Config | None = None
    """Lines that are sentences, and enough of them (Raffel et al. 2020, 2.2)."""
    fineweb: FineWebConfig | None = None
    """Lines that end, are long enough, and differ (Penedo et al. 2024, 3.6)."""

    @property
    def is_empty(self) -> bool:
        """Whether every document passes as it is."""
        return all(getattr(self, preset) is None for preset in PRESETS)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that decisions depend on: they belong into a cache key."""
        if self.c4 is None or self.c4.bad_words is None:
            return ()
        return (Path(self.c4.bad_words),)


class FilterResult(NamedTuple):
    """What a document becomes: a text, or a reason not to keep it."""

    text: str
    """The text as it goes on; C4 cuts lines."""
    reason: str | None
    """``<preset>:<rule>`` of the first rule that fails, None for a good document."""
    detail: str | None
    """The value found and the threshold that it misses."""


class QualityFilter:
    """Judges documents by the presets of a config.

    Raises:
        ConfigError: the file of bad words cannot be read.
    """

    def __init__(self, config: QualityConfig) -> None:
        self._before: list[tuple[str, Callable[[TextView], Violation | None]]] = []
        if (gopher := config.gopher_quality) is not None:
            self._before.append(
                ("gopher_quality", lambda view: check_gopher(view, gopher))
            )
        if (repetition := config.gopher_repetition) is not None:
            self._before.append(("gopher_repetition", Repetition(repetition).check))
        self._c4 = None if config.c4 is None else C4(config.c4)
        self._fineweb = config.fineweb

    def check(self, text: str, cut: Counter[str]) -> FilterResult:
        """Returns the verdict on a document; counts the lines cut of one that is kept.

        Keys: ``c4:<rule>_line``.
        """
        view = TextView(text)
        for preset, judge in self._before:
            if finding := judge(view):
                return _refused(text, preset, finding)
        lines_cut: Counter[str] = Counter()
        if self._c4 is not None:
            kept, c4_finding = self._c4.check(view, lines_cut)
            if c4_finding:
                return _refused(text, "c4", c4_finding)
            if kept != text:
                text, view = kept, TextView(kept)
        if self._fineweb is not None and (
            finding := check_fineweb(view, self._fineweb)
        ):
            return _refused(text, "fineweb", finding)
        cut.update({f"c4:{rule}_line": n for rule, n in lines_cut.items()})
        return FilterResult(text, None, None)


def _refused(text: str, preset: str, finding: Violation) -> FilterResult:
    return FilterResult(text, f"{preset}:{finding.rule}", finding.detail)
