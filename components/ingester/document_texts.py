"""The texts of a record: the first, and those that belong to it, read and cleaned."""

from __future__ import annotations

from typing import Any

from textmill.components.ingester.cleaning.config import CleanConfig
from textmill.components.ingester.cleaning.text_pipeline import TextPipeline
from textmill.components.ingester.readers.records import BadRecord
from textmill.components.ingester.sources.config import SourceConfig
from textmill.models.spans import mismatch
from textmill.models.texts import TEXT_FIELDS

_WORDS = ("first", "second", "third")


class DocumentTexts:
    """Reads and cleans the texts of a source's records.

    The filters of ``clean`` look at the first text. Further texts are cleaned
    and protected alike, and must not be empty.
    """

    def __init__(
        self, source: SourceConfig, clean: CleanConfig, pipeline: TextPipeline
    ) -> None:
        self._columns = source.text_columns
        self._tags_personal = clean.privacy == "tag"
        self._pipeline = pipeline

    def read(self, first: Any, others: list[Any]) -> list[str] | None:
        """Returns the texts in the values of a record; None without a first one.

        Raises:
            BadRecord: a value is not text, or a further text is missing.
        """
        if first is None:  # as csv's empty text, which is too short
            return None
        texts = [first, *others]
        for number, text in enumerate(others, 1):
            if text is None or (type(text) is str and not text.strip()):
                got = "none" if text is None else "an empty one"
                raise BadRecord(
                    f"no_{TEXT_FIELDS[number]}",
                    f"column {self._columns[number]!r}: expected the "
                    f"{_WORDS[number]} text of {len(texts)}, got {got}",
                )
        for number, text in enumerate(texts):
            if type(text) is not str:
                got = mismatch("a string", text)
                reason = f"{TEXT_FIELDS[number]}_type"
                raise BadRecord(reason, f"column {self._columns[number]!r}: {got}")
            if "\0" in text:
                raise BadRecord("nul", "holds a NUL character")
        return texts

    def clean(
        self, texts: list[str], identity: str, added: dict[str, Any]
    ) -> tuple[list[str], str | None]:
        """Returns the cleaned texts, and the reason to drop them or None."""
        first, reason = self._pipeline.apply(texts[0], identity, added)
        cleaned = [first]
        for field, text in zip(TEXT_FIELDS[1:], texts[1:], strict=False):
            if reason:
                break
            text, reason = self.clean_further(text, identity, added)
            reason = reason or (None if text.strip() else f"no_{field}")
            cleaned.append(text)
        return cleaned, reason

    def clean_further(
        self, text: str, identity: str, added: dict[str, Any]
    ) -> tuple[str, str | None]:
        """Cleans and protects a text after the first; returns it as ``clean`` does."""
        before = added.get("personal")
        text, reason = self._pipeline.clean(text, identity, added)
        if before is not None and self._tags_personal:
            kinds = {*str(before).split(","), *added["personal"].split(",")}
            added["personal"] = ",".join(sorted(kinds))
        return text, reason
