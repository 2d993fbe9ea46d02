"""Text cleaning: steps that remove parts of a text, then the rules to drop it.

Repair, unicode, control, markup, citations, boilerplate and whitespace, in this order;
a config field turns each on. Case, accents and (under ``nfc``) full-width forms are
left to the tokenizer.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from textmill.components.ingester.cleaning import boilerplate, markup
from textmill.components.ingester.cleaning.config import CleanConfig
from textmill.components.ingester.filters import QualityFilter
from textmill.components.ingester.filters.language import LanguageIdentifier
from textmill.components.text.privacy import Redactor
from textmill.models.errors import ConfigError

Step = Callable[[str, "Counter[str]"], str]
"""Takes a text and a counter, returns the text and counts the parts it removed."""

_BREAKS = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
_ASCII_BREAKS = re.compile("\r\n?|[\v\f]")
_ASCII_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
# The joiners U+200C and U+200D are part of words in Persian, Hindi, and of emoji.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]"
)
# Text decoded in a wrong encoding holds letters, signs or boxes of these.
_MAYBE_MOJIBAKE = re.compile(
    "[\x80-\u200f\u2028-\u202f\u2060-\u2e7f\ua000-\ufeff\ufff0-\uffff]"
)
_CITATION = re.compile(
    r"\[(?:\d{1,4}(?: ?[,;–-] ?\d{1,4}){0,30}"
    r"|edit(?: source)?|(?:note|nb|n|注|註) ?\d{1,3}"
    r"|(?:citation|clarification|page|better source|verification) needed"
    r"|failed verification|original research\??|dubious(?: [–-] discuss)?|dead link"
    r"|(?:when|where|who|which|why|by whom|according to whom)\?"
    r"|编辑|編輯|来源请求|來源請求|需要引用"
    r"|(?<=[.,;:!?)\"”’。，；！？]\[)[a-z])\](?:[–-](?=\[\d{1,4}\]))?"
    r"(?!\(| ?=(?!=)|\.[a-z_])"
)
_CITATION_ROUNDS = 8
"""Nested marks are removed from the inside, this many levels deep."""


class TextCleaner:
    """Cleans texts by the steps that a config turns on.

    Raises:
        ConfigError: repair is on and its package is not installed.
    """

    def __init__(self, config: CleanConfig) -> None:
        normalize = _normalizer(config.unicode)
        settle = [normalize] if normalize else []
        if config.control == "strip":
            settle = [strip_controls, *settle]
        self._steps: list[Step] = [_repairer()] if config.repair else []
        if normalize:
            self._steps.append(normalize)
        # Removal joins characters, and an entity may be any character.
        if config.control == "strip":
            self._steps.append(_settled(strip_controls, settle[1:]))
        if config.markup == "strip":
            self._steps.append(_settled(markup.strip, settle))
        if config.citations == "strip":
            self._steps.append(_settled(strip_citations, settle[-1:]))
        if config.boilerplate == "strip":
            self._steps.append(boilerplate.strip)
        if config.whitespace == "collapse":
            self._steps.append(_collapse)

    def clean(self, text: str, removed: Counter[str]) -> str:
        """Returns the cleaned text, and counts the removed parts.

        Keys: ``repaired`` (texts), ``control`` (characters), ``html``, ``markup`` and
        ``citation`` (marks), ``boilerplate_line`` (lines).
        """
        for step in self._steps:
            text = step(text, removed)
        return text


def strip_controls(text: str, removed: Counter[str]) -> str:
    r"""Returns the text with ``\n`` and ``\t`` as its only control characters.

    Every other line or paragraph separator becomes ``\n``. C0 and C1 controls, the soft
    hyphen, the zero-width space, word joiner and byte order mark, direction marks and
    overrides, and lone surrogates are removed.
    """
    narrow = text.isascii()
    controls = _ASCII_CONTROLS if narrow else _CONTROLS
    if not controls.search(text):
        return text
    text = (_ASCII_BREAKS if narrow else _BREAKS).sub("\n", text)
    text, num_removed = controls.subn("", text)
    if num_removed:
        removed["control"] += num_removed
    return text


def strip_citations(text: str, removed: Counter[str]) -> str:
    """Returns the text without reference marks and the spaces before them.

    Those of C4 (``[12]``, ``[edit]``, ``[citation needed]``), lists and ranges of them,
    notes (``[note 2]``; ``[a]`` after punctuation) and Wikipedia's other complaints. A
    mark before ``(``, ``=`` or an attribute is code and is left.
    """
    for _ in range(_CITATION_ROUNDS):
        if "[" not in text:
            return text
        pieces, begin = [], 0
        for match in _CITATION.finditer(text):
            end = match.start()
            if end > begin and text[end - 1] == " ":
                end -= 1
            pieces.append(text[begin:end])
            begin = match.end()
        if not pieces:
            return text
        removed["citation"] += len(pieces)
        text = "".join(pieces) + text[begin:]
    return text


def _collapse(text: str, removed: Counter[str]) -> str:
    return " ".join(text.split())


def _normalizer(form: Literal["none", "nfc", "nfkc"]) -> Step | None:
    return None if form == "none" else partial(_normalize, form.upper())


def _normalize(form: Literal["NFC", "NFKC"], text: str, removed: Counter[str]) -> str:
    if text.isascii() or unicodedata.is_normalized(form, text):
        return text
    return unicodedata.normalize(form, text)


def _settled(step: Step, followers: list[Step]) -> Step:
    """Returns a step that runs further steps on a text that it changed."""
    if not followers:
        return step

    def run(text: str, removed: Counter[str]) -> str:
        after = step(text, removed)
        if after != text:
            for follower in followers:
                after = follower(after, removed)
        return after

    return run


def _repairer() -> Step:
    """Returns the step that undoes text decoded in the wrong encoding (mojibake).

    Only this part of ftfy is used: quotes, ligatures, full-width forms, entities and
    line breaks belong to other steps or to the tokenizer.
    """
    try:
        import ftfy
    except ImportError:
        raise ConfigError(
            "clean.repair: expected the package ftfy, which is not installed; "
            "run pip install 'textmill[data]'"
        ) from None
    settings = ftfy.TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        remove_control_chars=False,
        normalization=None,
        explain=False,
    )

    def repair(text: str, removed: Counter[str]) -> str:
        if text.isascii() or not _MAYBE_MOJIBAKE.search(text):
            return text
        repaired = ftfy.fix_text(text, settings)
        if repaired != text:
            removed["repaired"] += 1
        return repaired

    return repair


class TextPipeline:
    """Cleans, protects and filters texts; built once, used for every document."""

    def __init__(self, config: CleanConfig, *, seed: int) -> None:
        self._config = config
        self._cleaner = TextCleaner(config)
        self._privacy = config.privacy
        if config.privacy != "none":
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

        Adds the columns that filters write to ``added``, but keeps a language there.
        """
        text, reason = self.clean(text, identity, added)
        if reason:
            return text, reason
        if self._identifier is not None:
            language, confidence = self._identifier.identify(text)
            if self._language is not None and self._language.column:
                added.setdefault("language", language)
            if reason := self._identifier.drop_reason(language, confidence):
                return text, reason
        if self._quality is not None:
            text, reason, _ = self._quality.check(text, self.removed)
            if reason:
                return text, reason
        return text, length_reason(text, self._config)

    def clean(
        self, text: str, identity: str, added: dict[str, Any]
    ) -> tuple[str, str | None]:
        """Cleans and protects a text, without filters; returns it as ``apply`` does."""
        text = self._cleaner.clean(text, self.removed)
        if self._privacy == "none":
            return text, None
        return self._protect(text, identity, added)

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


def length_reason(text: str, config: CleanConfig) -> str | None:
    """Returns the reason to drop a clean text by its length, or None.

    White space around the text does not count towards ``min_chars``.
    """
    if len(text) < config.min_chars or len(text.strip()) < config.min_chars:
        return "too_short"
    if config.max_chars is not None and len(text) > config.max_chars:
        return "too_long"
    return None
