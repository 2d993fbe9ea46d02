"""Gopher's quality rules (Rae et al. 2021, https://arxiv.org/abs/2112.11446, A1.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from textmill.components.ingester.filters.filter import Filter, Violation
from textmill.components.ingester.filters.text_view import TextView, share
from textmill.models.checks import NOT_NEGATIVE

_LETTER = re.compile(r"[^\W\d_]")
_ELLIPSES = ("...", "…")


@dataclass(frozen=True, kw_only=True)
class GopherQualityConfig:
    """A document must look like prose; words are separated by white space."""

    min_words: Annotated[int, NOT_NEGATIVE] = 50
    """Documents with fewer words are dropped; a Chinese character is a word."""
    max_words: Annotated[int, NOT_NEGATIVE] = 100_000
    """Documents with more words are dropped."""
    min_mean_word_length: Annotated[float, NOT_NEGATIVE] = 3.0
    """Least mean number of characters per word, Chinese characters left aside; not for
    mostly Chinese or Japanese text."""
    max_mean_word_length: Annotated[float, NOT_NEGATIVE] = 10.0
    """Greatest mean number of characters per word, in the same way."""
    max_hashes_per_word: Annotated[float, NOT_NEGATIVE] = 0.1
    """Greatest number of ``#`` over that of words."""
    max_ellipses_per_word: Annotated[float, NOT_NEGATIVE] = 0.1
    """Greatest number of ``...`` and ``…`` over that of words; ``……`` is one."""
    max_bullet_lines: Annotated[float, NOT_NEGATIVE] = 0.9
    """Greatest share of the lines that begin with a bullet."""
    bullets: tuple[str, ...] = ("•", "‣", "◦", "●", "▪", "-", "*", "·")
    """Bullets at the beginning of a line."""
    max_ellipsis_lines: Annotated[float, NOT_NEGATIVE] = 0.3
    """Greatest share of the lines that end with an ellipsis."""
    min_words_with_letter: Annotated[float, NOT_NEGATIVE] = 0.8
    """Least share of the words that hold a letter; a Chinese character is one."""
    min_stop_words: Annotated[int, NOT_NEGATIVE] = 2
    """Least number of different stop words; 0 turns the rule off."""
    stop_words: tuple[str, ...] = (
        "the",
        "be",
        "to",
        "of",
        "and",
        "that",
        "have",
        "with",
    )
    """The words that every English document holds two of."""
    cjk_stop_words: tuple[str, ...] = tuple("的是在了和有不这這のはをにがで")
    """Stop words of mostly Chinese or Japanese text, found anywhere."""


class GopherQuality(Filter):
    """Drops documents that do not look like prose."""

    config_class = GopherQualityConfig

    def check(self, view: TextView) -> Violation | None:
        """Returns the first rule that a document breaks."""
        return (
            _check_words(view, self.config)
            or _check_symbols(view, self.config)
            or _check_lines(view, self.config)
            or _check_letters(view, self.config)
            or _check_stop_words(view, self.config)
        )


def _check_words(view: TextView, config: GopherQualityConfig) -> Violation | None:
    count = len(view.words)
    if count < config.min_words:
        return Violation("min_words", f"{count} words < {config.min_words}")
    if count > config.max_words:
        return Violation("max_words", f"{count} words > {config.max_words}")
    count -= view.num_cjk
    if view.is_cjk or not count:
        return None
    mean = (sum(map(len, view.words)) - view.num_cjk) / count
    low, high = config.min_mean_word_length, config.max_mean_word_length
    if mean < low or mean > high:
        bound = f"< {share(low)}" if mean < low else f"> {share(high)}"
        return Violation("mean_word_length", f"{share(mean)} characters a word {bound}")
    return None


def _check_symbols(view: TextView, config: GopherQualityConfig) -> Violation | None:
    text, count = view.text, len(view.words) or 1
    if "#" in text:
        ratio = text.count("#") / count
        if ratio > config.max_hashes_per_word:
            bound = share(config.max_hashes_per_word)
            return Violation("hashes", f"{share(ratio)} # a word > {bound}")
    num_ellipses = text.count("...")
    if not text.isascii():
        num_ellipses += text.count("…") - text.count("……")
    ratio = num_ellipses / count
    if ratio > config.max_ellipses_per_word:
        bound = share(config.max_ellipses_per_word)
        return Violation("ellipses", f"{share(ratio)} ellipses a word > {bound}")
    return None


def _check_lines(view: TextView, config: GopherQualityConfig) -> Violation | None:
    lines = view.lines or [""]
    bulleted = sum(line.lstrip().startswith(config.bullets) for line in lines)
    ratio = bulleted / len(lines)
    if ratio > config.max_bullet_lines:
        bound = share(config.max_bullet_lines)
        return Violation("bullet_lines", f"{share(ratio)} of the lines > {bound}")
    if not any(ellipsis in view.text for ellipsis in _ELLIPSES):
        return None
    ratio = sum(line.rstrip().endswith(_ELLIPSES) for line in lines) / len(lines)
    if ratio > config.max_ellipsis_lines:
        bound = share(config.max_ellipsis_lines)
        return Violation("ellipsis_lines", f"{share(ratio)} of the lines > {bound}")
    return None


def _check_letters(view: TextView, config: GopherQualityConfig) -> Violation | None:
    words = view.words
    # Most words hold only letters, and isalpha is fast.
    others = [word for word in words if not word.isalpha()]
    with_letter = len(words) - len(others)
    with_letter += sum(_LETTER.search(word) is not None for word in others)
    ratio = with_letter / (len(words) or 1)
    if ratio < config.min_words_with_letter:
        bound = share(config.min_words_with_letter)
        return Violation("words_with_letter", f"{share(ratio)} of the words < {bound}")
    return None


def _check_stop_words(view: TextView, config: GopherQualityConfig) -> Violation | None:
    if config.min_stop_words <= 0:
        return None
    if view.is_cjk:
        num_found = sum(word in view.text for word in config.cjk_stop_words)
    else:
        num_found = _count_stop_words(view, config)
    if num_found < config.min_stop_words:
        return Violation(
            "stop_words", f"{num_found} stop words < {config.min_stop_words}"
        )
    return None


def _count_stop_words(view: TextView, config: GopherQualityConfig) -> int:
    unique = set(view.words)
    num_found = len(unique.intersection(config.stop_words))
    if num_found < config.min_stop_words:  # capitals, before the text is called foreign
        folded = {word.lower().strip(".,;:!?\"'()“”‘’") for word in unique}
        num_found = len(folded.intersection(config.stop_words))
    return num_found
