"""Cleaning: what is cut from a text, step by step, and how much of each was cut.

A text goes through repair, unicode, control, markup, citations, boilerplate and white
space, in this order, each a step that its config field turns on. These are cuts: what
the tokenizer normalizes (case, accents, full-width forms under ``nfc``) stays as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Literal

from textmill.components.ingester.cleaning import boilerplate, markup
from textmill.components.ingester.config import CleanConfig
from textmill.models.errors import ConfigError

Step = Callable[[str, "Counter[str]"], str]
"""Takes a text and returns it without what it cuts, which it adds to the counter."""

_BREAKS = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
_ASCII_BREAKS = re.compile("\r\n?|[\v\f]")
_ASCII_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
# The joiners U+200C and U+200D are letters' business in Persian, Hindi and emoji.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]"
)
# Every encoding that is mistaken for another leaves letters, signs or boxes of these.
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
"""Marks inside marks are cut from within, this many deep."""


class TextCleaner:
    """Cleans texts as a config says; which steps run is decided once.

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
        # A cut brings together what was apart, and an entity may stand for anything.
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

    def clean(self, text: str, cut: Counter[str]) -> str:
        """Returns the text as it goes on, and adds what was cut to the counter.

        Keys: ``repaired`` (texts), ``control`` (characters), ``html``, ``markup`` and
        ``citation`` (marks), ``boilerplate_line`` (lines).
        """
        for step in self._steps:
            text = step(text, cut)
        return text


def strip_controls(text: str, cut: Counter[str]) -> str:
    r"""Returns the text with ``\n`` and ``\t`` as its only control characters.

    Every other line or paragraph separator becomes ``\n``. Cut are C0 and C1 controls,
    the soft hyphen, the zero-width space, word joiner and byte order mark, direction
    marks and overrides, and lone surrogates.
    """
    narrow = text.isascii()
    controls = _ASCII_CONTROLS if narrow else _CONTROLS
    if not controls.search(text):
        return text
    text = (_ASCII_BREAKS if narrow else _BREAKS).sub("\n", text)
    text, num_cut = controls.subn("", text)
    if num_cut:
        cut["control"] += num_cut
    return text


def strip_citations(text: str, cut: Counter[str]) -> str:
    """Returns the text without reference marks, and without the space before one.

    Those of C4 (``[12]``, ``[edit]``, ``[citation needed]``), lists and ranges of them,
    notes (``[note 2]``; ``[a]`` behind punctuation) and Wikipedia's other complaints. A
    mark before ``(``, ``=`` or an attribute is code and stays.
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
        cut["citation"] += len(pieces)
        text = "".join(pieces) + text[begin:]
    return text


def _collapse(text: str, cut: Counter[str]) -> str:
    return " ".join(text.split())


def _normalizer(form: Literal["none", "nfc", "nfkc"]) -> Step | None:
    return None if form == "none" else partial(_normalize, form.upper())


def _normalize(form: Literal["NFC", "NFKC"], text: str, cut: Counter[str]) -> str:
    if text.isascii() or unicodedata.is_normalized(form, text):
        return text
    return unicodedata.normalize(form, text)


def _settled(step: Step, followers: list[Step]) -> Step:
    """Returns a step that runs others on what it changed."""
    if not followers:
        return step

    def run(text: str, cut: Counter[str]) -> str:
        after = step(text, cut)
        if after != text:
            for follower in followers:
                after = follower(after, cut)
        return after

    return run


def _repairer() -> Step:
    """Returns the step that undoes text decoded in the wrong encoding (mojibake).

    Of ftfy only this: quotes, ligatures, full-width forms, entities and line breaks
    are other steps' or the tokenizer's.
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

    def repair(text: str, cut: Counter[str]) -> str:
        if text.isascii() or not _MAYBE_MOJIBAKE.search(text):
            return text
        repaired = ftfy.fix_text(text, settings)
        if repaired != text:
            cut["repaired"] += 1
        return repaired

    return repair


def drop_reason(text: str, config: CleanConfig) -> str | None:
    """Says why a clean text is dropped, or None; white space around it is no length."""
    if len(text) < config.min_chars or len(text.strip()) < config.min_chars:
        return "too_short"
    if config.max_chars is not None and len(text) > config.max_chars:
        return "too_long"
    return None


def fold(text: str) -> str:
    """Returns what two texts share that are the same but for case and white space."""
    return " ".join(text.casefold().split())
