"""Scripts of texts, and the languages that scripts and stop words indicate."""

from __future__ import annotations

import re
from functools import cache

import numpy as np

from textmill.models.unspaced import UNSPACED

SCRIPTS = (
    (
        "latin",
        "",
        ((0x41, 0x5B), (0x61, 0x7B), (0xC0, 0xD7), (0xD8, 0xF7), (0xF8, 0x250)),
    ),
    ("latin", "", ((0x1E00, 0x1F00), (0xFF21, 0xFF3B), (0xFF41, 0xFF5B))),
    ("cyrillic", "ru", ((0x400, 0x530),)),
    ("arabic", "ar", ((0x620, 0x660), (0x66E, 0x6D4), (0x6FA, 0x700), (0x750, 0x780))),
    ("devanagari", "hi", ((0x900, 0x964), (0x971, 0x980))),
    ("han", "zh", UNSPACED["han"]),
    ("kana", "ja", UNSPACED["kana"]),
    ("hangul", "ko", ((0x1100, 0x1200), (0x3131, 0x318F), (0xAC00, 0xD7A4))),
    ("greek", "el", ((0x370, 0x374), (0x376, 0x37E), (0x386, 0x3E2), (0x1F00, 0x2000))),
    ("hebrew", "he", ((0x5D0, 0x5EB),)),
    ("armenian", "hy", ((0x531, 0x588),)),
    ("bengali", "bn", ((0x980, 0x9E6),)),
    ("gurmukhi", "pa", ((0xA01, 0xA66),)),
    ("gujarati", "gu", ((0xA81, 0xAE6),)),
    ("tamil", "ta", ((0xB82, 0xBE6),)),
    ("telugu", "te", ((0xC00, 0xC66),)),
    ("kannada", "kn", ((0xC80, 0xCE6),)),
    ("malayalam", "ml", ((0xD00, 0xD66),)),
    ("sinhala", "si", ((0xD82, 0xDE6),)),
    ("thai", "th", UNSPACED["thai"]),
    ("lao", "lo", UNSPACED["lao"]),
    ("tibetan", "bo", ((0xF40, 0xFBD),)),
    ("myanmar", "my", UNSPACED["myanmar"]),
    ("georgian", "ka", ((0x10A0, 0x1100),)),
    ("ethiopic", "am", ((0x1200, 0x1360),)),
    ("khmer", "km", UNSPACED["khmer"]),
)
"""A script, the language that it most often writes (none for Latin), and the code
points of its letters and vowel signs, each range without its end."""

_NAMES = tuple(dict.fromkeys(name for name, _, _ in SCRIPTS))
_LANGUAGE = {name: language for name, language, _ in SCRIPTS}
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
    for name, _, ranges in SCRIPTS:
        for begin, end in ranges:
            table[begin:end] = _NAMES.index(name) + 1
    table[0x20000:] = _NAMES.index("han") + 1
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
