"""Cleans and filters one text: marks, personal data, language, quality, length."""

from __future__ import annotations

from collections import Counter
from typing import Any

from textmill.components.ingester.cleaning.privacy import Redactor
from textmill.components.ingester.cleaning.text_cleaner import (
    TextCleaner,
    length_reason,
)
from textmill.components.ingester.config import DatasetConfig
from textmill.components.ingester.filters import QualityFilter
from textmill.components.ingester.filters.language import LanguageIdentifier


class TextPipeline:
    """Cleans, protects and filters texts; built once, used for every document."""

    def __init__(self, dataset: DatasetConfig, *, seed: int) -> None:
        config = dataset.clean
        self._config = config
        self._cleaner = TextCleaner(config)
        self._privacy = config.privacy
        self._redactor = Redactor(config.personal, seed=seed)
        self._language = config.language
        self._identifier = (
            LanguageIdentifier(config.language) if config.language else None
        )
        self._quality = (
            None if config.quality.is_empty else QualityFilter(config.quality)
        )
        self.removed: Counter[str] = Counter()
        self.personal: Counter[str] = Counter()

    def apply(
        self, text: str, identity: str, added: dict[str, Any]
    ) -> tuple[str, str | None]:
        """Returns the cleaned text, and the reason to drop it or None.

        Adds the columns that filters write to ``added``.
        """
        text = self._cleaner.clean(text, self.removed)
        if self._privacy != "none":
            text, reason = self._protect(text, identity, added)
            if reason:
                return text, reason
        if self._identifier is not None:
            language, confidence = self._identifier.identify(text)
            if self._language is not None and self._language.column:
                added["language"] = language
            if reason := self._identifier.drop_reason(language, confidence):
                return text, reason
        if self._quality is not None:
            text, reason, _ = self._quality.check(text, self.removed)
            if reason:
                return text, reason
        return text, length_reason(text, self._config)

    def _protect(
        self, text: str, identity: str, added: dict[str, Any]
    ) -> tuple[str, str | None]:
        if self._privacy == "mask":
            text, counts = self._redactor.mask(text, identity)
            self.personal.update(counts)
            return text, None
        counts = Counter(span.kind for span in self._redactor.find(text))
        self.personal.update(counts)
        if not counts:
            return text, None
        if self._privacy == "drop":
            return text, "personal"
        added["personal"] = ",".join(sorted(counts))
        return text, None
