"""Quality filters: published rules for documents worth learning from, one set per file.

Reading order: ``filter`` (the base class), ``text_view`` (the words and lines that they
measure), ``gopher_quality`` (the plainest filter), ``gopher_repetition`` with
``n_grams``, ``c4``, ``fineweb``; ``language`` decides by language, not by quality.

Filters run in the order of FineWeb (Penedo et al. 2024), the cheapest first; C4's
removes lines, and the filters after it read the lines that are left. Thresholds default
to the published ones, for English; in mostly Chinese or Japanese text, rules that count
words or lengths are adapted as their fields say. Other languages need thresholds and
stop words of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from textmill.components.ingester.filters.c4 import C4, C4Config
from textmill.components.ingester.filters.filter import Filter
from textmill.components.ingester.filters.fineweb import FineWeb, FineWebConfig
from textmill.components.ingester.filters.gopher_quality import (
    GopherQuality,
    GopherQualityConfig,
)
from textmill.components.ingester.filters.gopher_repetition import (
    GopherRepetition,
    GopherRepetitionConfig,
)
from textmill.components.ingester.filters.text_view import TextView
from textmill.models.errors import did_you_mean
from textmill.models.registry import Table

PRESETS: dict[str, type[Filter]] = {
    "gopher_quality": GopherQuality,
    "gopher_repetition": GopherRepetition,
    "c4": C4,
    "fineweb": FineWeb,
}
"""Filters with a key of their own, in the order in which they run."""

FILTERS: Table[type[Filter]] = Table("textmill.filters", "filter", PRESETS)
"""Every filter by its name in the config and in reasons."""


@dataclass(frozen=True, kw_only=True)
class QualityConfig:
    """The filters that a document must pass; none unless named."""

    gopher_quality: GopherQualityConfig | None = None
    """Words, symbols and lines as in prose (Rae et al. 2021, A1.1)."""
    gopher_repetition: GopherRepetitionConfig | None = None
    """Little repetition (Rae et al. 2021, table A1)."""
    c4: C4Config | None = None
    """Lines that are sentences, and enough of them (Raffel et al. 2020, 2.2)."""
    fineweb: FineWebConfig | None = None
    """Lines that end, are long enough, and differ (Penedo et al. 2024, 3.6)."""
    installed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Filters of installed packages, by name, with their options; they run last, in
    the order of their names."""

    def __post_init__(self) -> None:
        for name, options in self.installed.items():
            if name in PRESETS:
                raise ValueError(f"{name} as a key of its own, got it in installed")
            if name not in FILTERS:
                raise ValueError(FILTERS.mismatch(name))
            _parse(name, options)

    @property
    def is_empty(self) -> bool:
        """Returns whether every document passes as it is."""
        return not any(self.filters())

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that decisions depend on: they belong in a cache key."""
        filters = self.filters()
        return tuple(f for name, config in filters for f in FILTERS[name].files(config))

    def filters(self) -> Iterator[tuple[str, Any]]:
        """Yields names and configs of the filters, in the order in which they run."""
        for name in PRESETS:
            if (config := getattr(self, name)) is not None:
                yield name, config
        for name, options in sorted(self.installed.items()):
            yield name, _parse(name, options)


def _parse(name: str, options: Mapping[str, Any]) -> Any:
    """Returns the options of a filter as an instance of its config class.

    Raises:
        ValueError: an option is unknown, or not of its type.
    """
    from pydantic import TypeAdapter, ValidationError

    config_class = FILTERS[name].config_class
    known = [option.name for option in fields(config_class)]
    for option in set(options) - set(known):
        hint = did_you_mean(option, known)
        raise ValueError(f"{' or '.join(known)} in {name}, got {option!r}{hint}")
    try:
        return TypeAdapter(config_class).validate_python(dict(options))
    except ValidationError as error:
        [first, *_] = error.errors()
        where = ".".join(map(str, (name, *first["loc"])))
        raise ValueError(f"{where}: {first['msg']}") from None


class FilterResult(NamedTuple):
    """A document's text after the filters, or the reason to drop it."""

    text: str
    """The text without the lines that a filter removed."""
    reason: str | None
    """``<filter>:<rule>`` of the first rule that fails, None for a good document."""
    detail: str | None
    """The measured value and the threshold that it misses."""


class QualityFilter:
    """Passes documents through the filters of a config.

    Raises:
        ConfigError: the file of bad words cannot be read.
    """

    def __init__(self, config: QualityConfig) -> None:
        self._filters = [FILTERS[name](name, c) for name, c in config.filters()]

    def check(self, text: str, removed: Counter[str]) -> FilterResult:
        """Returns the result; counts the lines removed from a document that passes.

        Keys: ``c4:<rule>_line``.
        """
        view = TextView(text)
        for document_filter in self._filters:
            if violation := document_filter.check(view):
                reason = f"{document_filter.name}:{violation.rule}"
                return FilterResult(view.text, reason, violation.detail)
        if view.removed:
            removed.update(view.removed)
        return FilterResult(view.text, None, None)
