"""The base class of filters: one set of rules that documents must pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from textmill.components.ingester.filters.text_view import TextView


class Violation(NamedTuple):
    """A rule that a document breaks, with the measured value and the threshold."""

    rule: str
    detail: str


class Filter(ABC):
    """Base class: a set of rules with thresholds."""

    config_class: ClassVar[type]
    """The dataclass of its thresholds."""

    def __init__(self, name: str, config: Any) -> None:
        """Prepares the rules.

        Args:
            name: its name in FILTERS, with which reasons begin.
            config: an instance of ``config_class``.
        """
        self.name = name
        self.config = config

    @classmethod
    def files(cls, config: Any) -> tuple[Path, ...]:
        """Returns the files that decisions depend on: they belong in a cache key."""
        return ()

    @abstractmethod
    def check(self, view: TextView) -> Violation | None:
        """Returns the first rule that a document breaks; it may shorten the text."""
