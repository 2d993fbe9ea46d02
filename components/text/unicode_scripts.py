"""Scripts of texts, and the languages that scripts and stop words indicate."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from itertools import chain

import numpy as np

from textmill.models.unspaced import UNSPACED

Ranges = tuple[tuple[int, int], ...]
"""Ranges of code points, each without its end."""


def _ranges(text: str) -> Ranges:
    pairs = (pair.split("-") for pair in text.split())
    return tuple((int(first, 16), int(last, 16) + 1) for first, last in pairs)


_LATIN = "0041-024F 1E00-1EFF 2C60-2C7F A720-A7FF AB30-AB6F FB00-FB06 FF21-FF5A"
SPACED: dict[str, tuple[str, Ranges]] = {
    "latin": ("", _ranges(_LATIN)),
    "greek": ("el", _ranges("0370-03FF 1F00-1FFF")),
    "cyrillic": ("ru", _ranges("0400-052F 1C80-1C8F 2DE0-2DFF A640-A69F")),
    "armenian": ("hy", _ranges("0530-058F")),
    "hebrew": ("he", _ranges("0590-05FF FB1D-FB4F")),
    "arabic": ("ar", _ranges("0600-06FF 0750-077F 0870-08FF FB50-FDFF FE70-FEFF")),
    "devanagari": ("hi", _ranges("0900-097F A8E0-A8FF")),
    "bengali": ("bn", _ranges("0980-09FF")),
    "gurmukhi": ("pa", _ranges("0A00-0A7F")),
    "gujarati": ("gu", _ranges("0A80-0AFF")),
    "tamil": ("ta", _ranges("0B80-0BFF")),
    "telugu": ("te", _ranges("0C00-0C7F")),
    "kannada": ("kn", _ranges("0C80-0CFF")),
    "malayalam": ("ml", _ranges("0D00-0D7F")),
    "sinhala": ("si", _ranges("0D80-0DFF")),
    "tibetan": ("bo", _ranges("0F00-0FFF")),
    "georgian": ("ka", _ranges("10A0-10FF 1C90-1CBF 2D00-2D2F")),
    "ethiopic": ("am", _ranges("1200-139F 2D80-2DDF AB00-AB2F")),
    "hangul": ("ko", _ranges("1100-11FF 3130-318F A960-A97F AC00-D7FF")),
}
"""Scripts with spaces between words: the language that each most often writes (none for
Latin), and its blocks, in which letters and vowel signs count."""
_UNSPACED_LANGUAGE = {
    "han": "zh",
    "kana": "ja",
    "thai": "th",
    "lao": "lo",
    "myanmar": "my",
    "khmer": "km",
    "bopomofo": "zh",
}
_NAMES = (*SPACED, *UNSPACED)
_LANGUAGE = {name: language for name, (language, _) in SPACED.items()}
_LANGUAGE |= _UNSPACED_LANGUAGE
_SIGNS = {
    "cyrillic": (("uk", "їєґ"), ("be", "ў"), ("mk", "ѓќѕ"), ("sr", "ђћљњџј")),
    "arabic": (("ur", "ٹڈڑے"), ("fa", "پچژگ")),
}
"""Letters of one language in a script that is mostly another's."""
_STOP_WORDS = {
    "en": "the of and to in a is that it was for on with as are this be by at not have"
    " from or an they you we he she his her which their has will would",
    "de": "der die das und ist in den von zu mit sich auf für nicht ein eine einer dem"
    " einem des im auch es an werden aus er hat dass sie nach wird bei wir ich",
    "fr": "le la les de des et est un une du en que qui dans pour pas au sur il elle"
    " ne se par plus avec ce sont nous vous je aux été cette",
    "es": "el la los las de y que en un una es por con no para del se al lo como más"
    " su pero sus le ha este esta son fue muy",
    "it": "il lo la i gli le di e che è un una in per non con del della dei si da al"
    " sono più nel alla ha come anche questo questa",
    "pt": "o a os as de e que em um uma é por com não para do da dos das se ao no na"
    " mais como foi são ele ela sua seu",
    "nl": "de het een en van in is op te dat die voor met zijn niet aan er om ook als"
    " bij ik je hij ze we naar door wordt maar",
}
_WORD = re.compile(r"[^\W\d_]+")


@cache
def _table() -> np.ndarray:
    """Returns the script of every code point, 0 for none; uint8 [0x40000]."""
    table = np.zeros(0x40000, np.uint8)
    for index, (_, ranges) in enumerate(SPACED.values(), 1):
        for code in chain.from_iterable(range(*pair) for pair in ranges):
            if unicodedata.category(chr(code))[0] in "LM":
                table[code] = index
    for index, ranges in enumerate(UNSPACED.values(), len(SPACED) + 1):
        for begin, end in ranges:
            table[begin:end] = index
    return table


def script_shares(text: str) -> dict[str, float]:
    """Returns each script's share of the letters, largest first; none without any."""
    if text.isascii():
        return {"latin": 1.0} if _WORD.search(text) else {}
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    scripts = _table()[np.minimum(codes, 0x3FFFF)]
    counts = np.bincount(scripts, minlength=len(_NAMES) + 1)[1:]
    total = int(counts.sum())
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda i: (-counts[i], i))
    return {_NAMES[i]: int(counts[i]) / total for i in order}


def language_of_script(shares: dict[str, float]) -> tuple[str, float] | None:
    """Returns a language and the share of its letters, if the script determines it.

    A twentieth of kana distinguishes Japanese from Chinese; Latin, Cyrillic, Arabic and
    Devanagari write too many languages.
    """
    if not shares:
        return None
    main = next(iter(shares))
    kana, han = shares.get("kana", 0.0), shares.get("han", 0.0)
    if kana + han > shares[main] or main in ("kana", "han"):
        return ("ja" if kana >= 0.05 else "zh"), kana + han
    if main in ("latin", "cyrillic", "arabic", "devanagari"):
        return None
    return _LANGUAGE[main], shares[main]


def guess_language(text: str, shares: dict[str, float]) -> tuple[str, float]:
    """Returns the most likely language by letters and stop words, and a confidence.

    The confidence is the script's share of the letters; for Latin, it is reduced where
    stop words are few or the second language has nearly as many.
    """
    main = next(iter(shares))
    if main != "latin":
        for language, signs in _SIGNS.get(main, ()):
            if any(sign in text for sign in signs):
                return language, shares[main]
        return _LANGUAGE[main], shares[main]
    words = _WORD.findall(text.lower())
    counts = {
        language: sum(map(known.__contains__, words))
        for language, known in _known().items()
    }
    best = max(counts, key=lambda language: counts[language])
    if not counts[best]:
        return "und", 0.0
    # "de" and "la" are words of four languages: what counts is the lead.
    second = sorted(counts.values())[-2]
    lead = (counts[best] - second) / counts[best]
    frequency = min(1.0, 5 * counts[best] / len(words))
    return best, shares[main] * frequency * (0.5 + 0.5 * lead if lead else 0.25)


@cache
def _known() -> dict[str, frozenset[str]]:
    return {name: frozenset(words.split()) for name, words in _STOP_WORDS.items()}
